import { DEFAULT_TENANT } from '../../auth/principal.js'
import { loadConfig } from '../../config/config.js'
import { AppError } from '../../errors.js'
import { isBelieved } from '../../releases/admission/reportSignature.js'
import { ReleaseControl, type Released } from '../../releases/rollout/releaseControl.js'
import type { Share } from '../../releases/rollout/rollout.js'
import type { StoredVersion } from '../../releases/rollout/versionStore.js'
import type { Database } from '../../storage/postgres/database.js'
import { PostgresRolloutStore } from '../../storage/releases/rolloutStore.js'
import { operator, withDatabaseUntilSignal } from '../commandDatabase.js'

/** What a command about releases works with. */
export interface ReleaseTools {
  readonly control: ReleaseControl
  readonly rollouts: PostgresRolloutStore
  readonly database: Database
}

/** Runs the work of a command with the settings of the gateways: their key, and whether they ask a second principal. */
export function withReleases<T>(work: (tools: ReleaseTools) => Promise<T>): Promise<T> {
  const config = loadConfig()
  const { releaseKey: key, releaseApproval: needsApproval } = config
  const isTrusted = (version: StoredVersion) => isBelieved(version, key)
  return withDatabaseUntilSignal(config, database => {
    const rollouts = new PostgresRolloutStore(database)
    return work({ rollouts, database, control: new ReleaseControl(rollouts, { isTrusted, needsApproval }) })
  }).catch((error: unknown) => {
    const problems = error instanceof AppError ? error.problems : []
    throw problems.length > 1 ? new Error(problems.map(({ message }) => message).join(' ')) : error
  })
}

/** Who makes a change by a command. */
export function commandActor(): { tenant: string; principal: string } {
  return { tenant: DEFAULT_TENANT, principal: operator() }
}

/** Says on standard error what became of a change, and prints the id of one that waits. */
export function printReleased({ rollout, change }: Released): void {
  const { model, champion, challenger, shadow } = rollout
  const parts = [`champion ${champion ?? 'none'}`, ...shareText('challenger', challenger), ...shareText('shadow', shadow)]
  const done = change ? change.state.toLowerCase() : 'nothing to change'
  process.stderr.write(`riskgate: ${done}. ${model}: ${parts.join(', ')}.\n`)
  if (change?.state === 'PROPOSED') process.stdout.write(`${change.id}\n`)
}

function shareText(name: string, share: Share | undefined): string[] {
  return share ? [`${name} ${share.version} with ${share.share}`] : []
}

export function printRows(rows: readonly (readonly unknown[])[]): void {
  for (const row of rows) process.stdout.write(`${row.map(cell => cell ?? '').join('\t')}\n`)
}
