import type { ReleaseChange } from '../../releases/rollout/releaseChange.js'
import type { Rollout, Share } from '../../releases/rollout/rollout.js'
import type { StoredVersion, VersionOrigin } from '../../releases/rollout/versionStore.js'
import { toRollout } from '../../resolvers/releaseView.js'
import { asUuid } from '../../storage/postgres/uuid.js'
import { PostgresVersionStore } from '../../storage/releases/versionStore.js'
import { commandActor, printReleased, printRows, withReleases } from './withReleases.js'

const NEWEST_CHANGES = 100
const VERSION_COLUMNS = ['model', 'version', 'stage', 'share', 'checked', 'origin', 'first problem']
const CHANGE_COLUMNS = ['id', 'model', 'action', 'what', 'state', 'proposed by', 'at', 'decided by', 'reason']

// Releases for operators: on the database of the gateways, which follow within two seconds.

interface Reasoned {
  readonly reason: string
}

/** Prints the versions that some gateway has checked, with their stages. */
export async function listVersions(model: string | undefined): Promise<void> {
  const { versions, rollouts } = await withReleases(({ database }) => new PostgresVersionStore(database).state())
  const shown = versions.filter(version => model === undefined || version.model === model)
  if (model !== undefined && shown.length === 0) throw new Error('No gateway has checked a version of this model.')
  const rolloutOf = new Map(rollouts.map(rollout => [rollout.model, rollout]))
  printRows([VERSION_COLUMNS, ...shown.map(version => versionRow(version, rolloutOf.get(version.model)))])
}

export async function promote(model: string, version: string, { reason }: Reasoned): Promise<void> {
  printReleased(await withReleases(({ control }) => control.promote(commandActor(), { model, version, reason })))
}

export async function rollback(model: string, { reason, from }: Reasoned & { from?: string }): Promise<void> {
  printReleased(await withReleases(({ control }) => control.rollback(commandActor(), { model, from, reason })))
}

/** Those that are not named get no share from now on. */
export async function split(model: string, options: Reasoned & { challenger?: Share; shadow?: Share }): Promise<void> {
  const { reason, challenger, shadow } = options
  printReleased(await withReleases(({ control }) => control.split(commandActor(), { model, challenger, shadow, reason })))
}

export async function retire(model: string, version: string, { reason }: Reasoned): Promise<void> {
  printReleased(await withReleases(({ control }) => control.retire(commandActor(), { model, version, reason })))
}

/** Prints the newest changes, made and proposed. */
export async function listChanges(model: string | undefined): Promise<void> {
  const page = { size: NEWEST_CHANGES, after: undefined }
  const changes = await withReleases(({ rollouts }) => rollouts.page(model, page))
  printRows([CHANGE_COLUMNS, ...changes.slice(0, NEWEST_CHANGES).map(changeRow)])
}

export async function approve(id: string): Promise<void> {
  printReleased(await withReleases(({ control }) => control.approve(commandActor(), requireId(id))))
}

export async function refuse(id: string, { reason }: Reasoned): Promise<void> {
  printReleased(await withReleases(({ control }) => control.refuse(commandActor(), requireId(id), reason)))
}

function versionRow(version: StoredVersion, rollout: Rollout | undefined): unknown[] {
  const stage = rollout ? toRollout(rollout, [version]).stages[0]?.stage : 'CANDIDATE'
  const share = [rollout?.challenger, rollout?.shadow].find(given => given?.version === version.version)?.share
  const { problems, championProblems, checkedAt } = version.report
  return [
    version.model,
    version.version,
    stage,
    share,
    checkedAt,
    originText(version.origin),
    [...problems, ...championProblems][0],
  ]
}

function originText(origin: VersionOrigin): string {
  return origin.source === 'folder' ? 'folder' : `mlflow ${origin.name}/${origin.version}`
}

function changeRow({ id, model, request, state, proposedBy, proposedAt, decidedBy, reason }: ReleaseChange): unknown[] {
  return [
    ...[id, model, request.action, whatOf(request), state],
    ...[proposedBy.principal, proposedAt.toISOString(), decidedBy?.principal, reason],
  ]
}

function whatOf(request: ReleaseChange['request']): string {
  if (request.action === 'ROLLBACK') return `from ${request.from}`
  if (request.action !== 'SPLIT') return request.version
  const named = Object.entries({ challenger: request.challenger, shadow: request.shadow })
  return named.map(([name, share]) => (share ? `${name} ${share.version}=${share.share}` : `no ${name}`)).join(', ')
}

function requireId(text: string): string {
  const id = asUuid(text)
  if (id === undefined) throw new Error('This is not the id of a change. `riskgate model changes` shows them.')
  return id
}
