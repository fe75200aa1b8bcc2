import { Arg, Ctx, Int, Mutation, Query, Resolver } from 'type-graphql'
import { actorOf, type Principal } from '../auth/principal.js'
import { AppError } from '../errors.js'
import { compareVersions, type ScorePairs } from '../monitoring/versionComparison.js'
import type { AdmitAgain } from '../releases/rollout/admitAgain.js'
import type { ReleaseControl, Released } from '../releases/rollout/releaseControl.js'
import type { IsTrusted } from '../releases/rollout/releaseRules.js'
import type { RolloutStore } from '../releases/rollout/rolloutStore.js'
import { Cost } from '../schema/cost.js'
import {
  AdmitModelVersionInput,
  AdmitModelVersionPayload,
  ApproveReleaseChangeInput,
  PromoteModelVersionInput,
  RefuseReleaseChangeInput,
  ReleaseChangeConnection,
  ReleasePayload,
  RetireModelVersionInput,
  RollbackModelInput,
  SetTrafficSplitInput,
} from '../schema/rollout.js'
import { DateTime } from '../schema/scalars.js'
import { VersionComparison } from '../schema/versionComparison.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { RequestContext } from './context.js'
import { pageInfo, pageRequest, rowsOfPage } from './paging.js'
import { toReleaseChange, toReport, toRollout } from './releaseView.js'

// It reads up to 20,000 pairs of scores.
const COST_OF_A_COMPARISON = 1_000
// It runs a child process for seconds.
const COST_OF_AN_ADMISSION = 2_000

export interface ReleaseParts {
  readonly control: ReleaseControl
  readonly rollouts: RolloutStore
  readonly pairs: ScorePairs
  readonly admitAgain: AdmitAgain
  readonly isTrusted: IsTrusted
  /** Its pages are linked. Undefined where no MLflow is followed. */
  readonly mlflowUrl: URL | undefined
}

const WAITS = 'Where the installation demands approval, it is only PROPOSED; the same request again answers the open proposal.'
const NO_CHANGE = 'There is no change with this id. Take the id from releaseChanges.'

@Resolver()
export class ReleaseResolver {
  readonly #parts: ReleaseParts

  constructor(parts: ReleaseParts) {
    this.#parts = parts
  }

  @Cost({ rows: rowsOfPage })
  @Query(() => ReleaseChangeConnection, {
    description: 'The changes of rollouts, made and proposed, newest first. Page size 1..100, 20 by default.',
  })
  async releaseChanges(
    @Ctx() { principal: { tenant } }: RequestContext,
    @Arg('model', () => String, { nullable: true, description: 'Only changes of this model.' }) model?: string | null,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
  ): Promise<ReleaseChangeConnection> {
    const request = pageRequest({ first, after })
    const { size } = request
    const found = await this.#parts.rollouts.page(model ?? undefined, { size, after: changeBefore(after) })
    const nodes = found.slice(0, size).map(change => toReleaseChange(change, tenant))
    const entries = nodes.map(node => ({ cursor: node.id, node }))
    return { edges: entries, nodes, pageInfo: pageInfo({ entries, hasMore: found.length > size }, request) }
  }

  @Cost({ weight: COST_OF_A_COMPARISON })
  @Query(() => VersionComparison, {
    description:
      'Compares two versions on the applications of the tenant that both have scored, from <= t < to: where one was the shadow or the challenger of the other. At most the newest 20,000.',
  })
  versionComparison(
    @Ctx() { principal: { tenant } }: RequestContext,
    @Arg('model', () => String) model: string,
    @Arg('version', () => String) version: string,
    @Arg('against', () => String, { description: 'The other version, such as the champion.' }) against: string,
    @Arg('from', () => DateTime) from: Date,
    @Arg('to', () => DateTime) to: Date,
  ): Promise<VersionComparison> {
    return compareVersions(this.#parts.pairs, tenant, { model, version, against, from, to })
  }

  @Mutation(() => ReleasePayload, {
    description: `Makes a version champion, on all gateways within two seconds. ${WAITS} Audited. Safe to repeat.`,
  })
  promoteModelVersion(
    @Arg('input', () => PromoteModelVersionInput) input: PromoteModelVersionInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    return this.#answer(principal, this.#parts.control.promote(actorOf(principal), input))
  }

  @Mutation(() => ReleasePayload, {
    description:
      'Makes the newest earlier champion champion again whose checks found no problem. It never waits for approval. Audited. Safe to repeat where `from` is given.',
  })
  rollbackModel(
    @Arg('input', () => RollbackModelInput) { from, ...input }: RollbackModelInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    return this.#answer(principal, this.#parts.control.rollback(actorOf(principal), { ...input, from: from ?? undefined }))
  }

  @Mutation(() => ReleasePayload, {
    description: `Says which versions get a share beside the champion; one that is not named gets none. ${WAITS} Audited. Safe to repeat.`,
  })
  setTrafficSplit(
    @Arg('input', () => SetTrafficSplitInput) { challenger, shadow, ...input }: SetTrafficSplitInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    const split = { ...input, challenger: challenger ?? undefined, shadow: shadow ?? undefined }
    return this.#answer(principal, this.#parts.control.split(actorOf(principal), split))
  }

  @Mutation(() => ReleasePayload, {
    description: `Takes a version out for good: only a promotion brings it back. Not the champion. ${WAITS} Audited. Safe to repeat.`,
  })
  retireModelVersion(
    @Arg('input', () => RetireModelVersionInput) input: RetireModelVersionInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    return this.#answer(principal, this.#parts.control.retire(actorOf(principal), input))
  }

  @Mutation(() => ReleasePayload, {
    description:
      'Applies a proposed change of another principal, as long as the rollout is what it was proposed on. The rules of the change are asked again. Audited.',
  })
  approveReleaseChange(
    @Arg('input', () => ApproveReleaseChangeInput) { changeId }: ApproveReleaseChangeInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    return this.#answer(principal, this.#parts.control.approve(actorOf(principal), requireUuid(changeId)))
  }

  @Mutation(() => ReleasePayload, { description: 'Refuses a proposed change, or withdraws an own one. Audited.' })
  refuseReleaseChange(
    @Arg('input', () => RefuseReleaseChangeInput) { changeId, reason }: RefuseReleaseChangeInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<ReleasePayload> {
    return this.#answer(principal, this.#parts.control.refuse(actorOf(principal), requireUuid(changeId), reason))
  }

  @Cost({ weight: COST_OF_AN_ADMISSION })
  @Mutation(() => AdmitModelVersionPayload, {
    description:
      'Checks a version of the version store once more, as after a limit of the checks was raised, and stores the report. Takes some seconds. Audited.',
  })
  async admitModelVersion(
    @Arg('input', () => AdmitModelVersionInput) { model, version }: AdmitModelVersionInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<AdmitModelVersionPayload> {
    const stored = await this.#parts.admitAgain.run(actorOf(principal), model, version)
    return { report: toReport(stored, this.#parts.isTrusted) }
  }

  /** The state after the change, before any gateway has applied it. */
  async #answer({ tenant }: Principal, asked: Promise<Released>): Promise<ReleasePayload> {
    const { rollout, change } = await asked
    const { versions } = await this.#parts.rollouts.read(rollout.model)
    return { rollout: toRollout(rollout, versions), change: change && toReleaseChange(change, tenant) }
  }
}

function changeBefore(after: string | null | undefined): string | undefined {
  if (after == null) return undefined
  const id = asUuid(after)
  if (id === undefined)
    throw new AppError('BAD_CURSOR', 'The cursor does not belong to this list. Take it from a page of changes.')
  return id
}

function requireUuid(changeId: string): string {
  const id = asUuid(changeId)
  if (id === undefined) throw new AppError('NOT_FOUND', NO_CHANGE)
  return id
}
