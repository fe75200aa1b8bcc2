import { AppError, badInput, inputProblem } from '../../errors.js'
import type { ReleaseRequest } from './releaseChange.js'
import { promoted, type Rollout, retired, rolledBack, type Share } from './rollout.js'
import type { ModelReleases, ReadVersion, RolloutStep } from './rolloutStore.js'
import type { StoredVersion } from './versionStore.js'

/** Whether the report of a version is one that a gateway of this installation has made. */
export type IsTrusted = (version: StoredVersion) => boolean

const UNTRUSTED =
  'The report of this version does not have the signature of this installation. Check the version again: admitModelVersion.'

type Split = Extract<ReleaseRequest, { action: 'SPLIT' }>

/**
 * The step that a request asks for; undefined where the rollout already is as it asks.
 * @throws AppError MODEL_NOT_FOUND, NOT_FOUND or BAD_USER_INPUT where the rules do not allow it
 */
export function stepFor(before: ModelReleases, request: ReleaseRequest, isTrusted: IsTrusted): RolloutStep | undefined {
  const { rollout, versions } = before
  if (versions.length === 0) throw new AppError('MODEL_NOT_FOUND', 'No version of this model has been checked by a gateway.')
  switch (request.action) {
    case 'PROMOTE':
      if (rollout.champion === request.version) return undefined
      return {
        before,
        next: promoted(rollout, request.version),
        relyingOn: [answering(before, request.version, isTrusted, 'version')],
      }
    case 'ROLLBACK':
      return rollback(before, request.from, isTrusted)
    case 'SPLIT':
      return split(before, request, isTrusted)
    case 'RETIRE':
      return retirement(before, request.version)
  }
}

function rollback(before: ModelReleases, from: string, isTrusted: IsTrusted): RolloutStep {
  const { rollout, versions } = before
  if (rollout.champion !== from) {
    throw badInput(inputProblem('This version is not champion any more. Ask for the rollout again.', 'from'))
  }
  const earlier = rollout.earlier.flatMap(name => versions.find(({ version }) => version === name) ?? [])
  const [newest] = earlier
  if (!newest) throw badInput(inputProblem('There is no earlier champion. Promote a version instead.', 'model'))
  const place = earlier.findIndex(version => foundProblem(version, true) === undefined)
  const found = earlier[place]
  if (!found) {
    const why = problemOf(newest, isTrusted, true)
    throw badInput(inputProblem(`No earlier champion may serve. The newest is ${newest.version}. ${why}`, 'model'))
  }
  // To go further back than to a version that only needs a check would surprise those who know the earlier champions.
  if (!isTrusted(found)) throw badInput(inputProblem(`The earlier champion is ${found.version}. ${UNTRUSTED}`, 'model'))
  return { before, next: rolledBack(rollout, found.version), relyingOn: earlier.slice(0, place + 1) }
}

function split(before: ModelReleases, { challenger, shadow }: Split, isTrusted: IsTrusted): RolloutStep | undefined {
  const { rollout } = before
  if (isSame(rollout.challenger, challenger) && isSame(rollout.shadow, shadow)) return undefined
  if (rollout.champion === undefined) throw badInput(inputProblem('The model has no champion. Promote a version first.', 'model'))
  if (challenger && !(challenger.share > 0 && challenger.share < 1)) {
    throw badInput(inputProblem('The share of a challenger is above 0 and below 1.', 'challenger', 'share'))
  }
  if (shadow && !(shadow.share > 0 && shadow.share <= 1)) {
    throw badInput(inputProblem('The share of a shadow is above 0 and at most 1.', 'shadow', 'share'))
  }
  const named: readonly (readonly [string, Share])[] = [
    ...(challenger ? [['challenger', challenger] as const] : []),
    ...(shadow ? [['shadow', shadow] as const] : []),
  ]
  for (const [name, { version }] of named) {
    const path = [name, 'version']
    if (version === rollout.champion) throw badInput(inputProblem('This version is the champion. Name another one.', ...path))
    if (rollout.retired.includes(version)) {
      throw badInput(inputProblem('This version is RETIRED. It serves again only after a promotion.', ...path))
    }
  }
  if (challenger && challenger.version === shadow?.version) {
    throw badInput(inputProblem('Challenger and shadow are two versions.', 'shadow', 'version'))
  }
  const relyingOn = [
    ...(challenger ? [answering(before, challenger.version, isTrusted, 'challenger', 'version')] : []),
    ...(shadow ? [serving(before, shadow.version, isTrusted, false, ['shadow', 'version'])] : []),
  ]
  return { before, next: { ...rollout, challenger, shadow }, relyingOn }
}

function retirement(before: ModelReleases, version: string): RolloutStep | undefined {
  const { rollout } = before
  if (rollout.retired.includes(version)) return undefined
  known(before, version, ['version'])
  if (rollout.champion === version) {
    throw badInput(inputProblem('This version is the champion. Promote another one first.', 'version'))
  }
  return { before, next: retired(rollout, version), relyingOn: [] }
}

/** A version that may answer applicants. */
function answering(before: ModelReleases, version: string, isTrusted: IsTrusted, ...path: readonly string[]): ReadVersion {
  return serving(before, version, isTrusted, true, path)
}

function serving(
  before: ModelReleases,
  version: string,
  isTrusted: IsTrusted,
  answers: boolean,
  path: readonly string[],
): ReadVersion {
  const found = known(before, version, path)
  const problem = problemOf(found, isTrusted, answers)
  if (problem !== undefined) throw badInput(inputProblem(problem, ...path))
  return found
}

function known({ versions }: ModelReleases, version: string, path: readonly string[]): ReadVersion {
  const found = versions.find(candidate => candidate.version === version)
  if (found) return found
  throw badInput(inputProblem('No gateway has checked a version of this name. The model lists its versions.', ...path))
}

/** Why a version may not serve, or may not answer applicants; undefined where it may. */
function problemOf(version: ReadVersion, isTrusted: IsTrusted, answers: boolean): string | undefined {
  return foundProblem(version, answers) ?? (isTrusted(version) ? undefined : UNTRUSTED)
}

/** What its checks found against it. */
function foundProblem({ report: { problems, championProblems } }: ReadVersion, answers: boolean): string | undefined {
  const [problem] = answers ? [...problems, ...championProblems] : problems
  return problem === undefined ? undefined : `The version may not serve: ${problem}`
}

function isSame(one: Share | undefined, other: Share | undefined): boolean {
  return one?.version === other?.version && one?.share === other?.share
}

/** The step of a change that the rollout already shows. */
export function unchanged(before: ModelReleases): RolloutStep {
  return { before, next: before.rollout, relyingOn: [] }
}

/** The rollout after a step. */
export function after({ before, next }: RolloutStep): Rollout {
  return { ...next, revision: before.rollout.revision + 1 }
}
