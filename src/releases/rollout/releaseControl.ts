import { type Actor, DEFAULT_TENANT } from '../../auth/principal.js'
import { AppError, badInput, inputProblem } from '../../errors.js'
import { canonicalText } from '../../scoring/canonicalText.js'
import type { NewReleaseChange, ReleaseChange, ReleaseRequest } from './releaseChange.js'
import { after, type IsTrusted, stepFor, unchanged } from './releaseRules.js'
import type { Rollout, Share } from './rollout.js'
import type { ModelReleases, RolloutStep, RolloutStore, Said } from './rolloutStore.js'

// A change that loses against another one is judged again. Nobody loses this often unless something is wrong.
const TRIES = 10
// Reasons are shown on terminals: no characters that move the cursor or reverse the text.
const REASON = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]{1,500}$/u

export interface ReleaseControlSettings {
  /** Absent: every report is trusted. */
  readonly isTrusted?: IsTrusted
  /** Whether a second principal must approve a promotion, a split and a retirement. */
  readonly needsApproval?: boolean
}

/** What became of a request. */
export interface Released {
  /** The rollout from now on. */
  readonly rollout: Rollout
  /** Undefined where the rollout already was as asked. */
  readonly change: ReleaseChange | undefined
}

interface Asked {
  readonly model: string
  readonly reason: string
}

/** Decides which versions serve: by people, and by what a source says. All gateways follow the stored rollout. */
export class ReleaseControl {
  readonly #store: RolloutStore
  readonly #isTrusted: IsTrusted
  readonly #needsApproval: boolean

  constructor(store: RolloutStore, { isTrusted = () => true, needsApproval = false }: ReleaseControlSettings = {}) {
    this.#store = store
    this.#isTrusted = isTrusted
    this.#needsApproval = needsApproval
  }

  /** Makes a version champion; also a retired one. */
  promote(actor: Actor, { version, ...asked }: Asked & { readonly version: string }): Promise<Released> {
    return this.#ask(actor, asked, () => ({ action: 'PROMOTE', version }), this.#needsApproval)
  }

  /**
   * Makes the newest earlier champion champion again whose checks found no problem. It never waits for approval: a bad model must go at once. With
   * `from`, a repeated call does not go back twice.
   */
  rollback(actor: Actor, { from, ...asked }: Asked & { readonly from?: string | undefined }): Promise<Released> {
    const request = ({ rollout }: ModelReleases) => ({ action: 'ROLLBACK', from: from ?? rollout.champion ?? '' }) as const
    return this.#ask(actor, asked, request, false)
  }

  /** Says who gets a share beside the champion: undefined for nobody. */
  split(
    actor: Actor,
    { challenger, shadow, ...asked }: Asked & { readonly challenger: Share | undefined; readonly shadow: Share | undefined },
  ): Promise<Released> {
    return this.#ask(actor, asked, () => ({ action: 'SPLIT', challenger, shadow }), this.#needsApproval)
  }

  /** Takes a version out for good: it gets no share, and no rollback goes back to it. */
  retire(actor: Actor, { version, ...asked }: Asked & { readonly version: string }): Promise<Released> {
    return this.#ask(actor, asked, () => ({ action: 'RETIRE', version }), this.#needsApproval)
  }

  /**
   * Applies a proposal of another principal, on the rollout that it was proposed on. The rules are asked again: a report may be
   * another one by now.
   */
  async approve(actor: Actor, id: string): Promise<Released> {
    const proposal = await this.#open(id)
    if (isSame(proposal.proposedBy, actor)) {
      throw new AppError('FORBIDDEN', 'A principal may not approve its own proposal. Ask another one.')
    }
    return this.#untilSettled(proposal.model, async releases => {
      if (releases.rollout.revision !== proposal.proposedOn) {
        await this.#open(id)
        throw badInput(inputProblem('The rollout has changed since: propose it again.', 'changeId'))
      }
      const step = stepFor(releases, proposal.request, this.#isTrusted) ?? unchanged(releases)
      const change = await this.#store.approve(step, proposal, actor)
      if (!change) await this.#open(id)
      return change && { rollout: after(step), change }
    })
  }

  /** Refuses a proposal, or withdraws an own one. */
  async refuse(actor: Actor, id: string, reason: string): Promise<Released> {
    const why = requireReason(reason)
    const proposal = await this.#open(id)
    const change = await this.#store.refuse(proposal, actor, why)
    if (!change) throw decided()
    return { rollout: (await this.#store.read(proposal.model)).rollout, change }
  }

  /**
   * Hears which champion a source names. `decides`: it is promoted; otherwise the promotion is proposed. A model without a champion
   * takes it in any case. What a source said before changes nothing, so that a rollback by people stays; nor does what it said
   * earlier than that. Safe to call often, and on all gateways.
   * @throws AppError where the rules do not allow it; then it may be said again
   */
  says(model: string, said: Said, decides: boolean): Promise<Released> {
    const { source, version } = said
    const change: NewReleaseChange = {
      model,
      request: { action: 'PROMOTE', version },
      reason: source === 'folder' ? 'The models folder names it as champion.' : 'The alias in MLflow points to it.',
      actor: { tenant: DEFAULT_TENANT, principal: source },
    }
    return this.#untilSettled(model, async releases => {
      const { rollout } = releases
      const before = releases.said[source]
      if (before && said.at && said.at <= before.at) return { rollout, change: undefined }
      if (before?.version === version) {
        if (said.at) await this.#store.note(model, said)
        return { rollout, change: undefined }
      }
      const step = stepFor(releases, change.request, this.#isTrusted)
      if (!step) {
        await this.#store.note(model, said)
        return { rollout, change: undefined }
      }
      const isDecided = decides || rollout.champion === undefined
      return isDecided ? this.#apply(step, change, said) : this.#propose(releases, change, said)
    })
  }

  async #ask(
    actor: Actor,
    { model, reason }: Asked,
    requestOf: (releases: ModelReleases) => ReleaseRequest,
    waits: boolean,
  ): Promise<Released> {
    const why = requireReason(reason)
    return this.#untilSettled(model, async releases => {
      const change: NewReleaseChange = { model, request: requestOf(releases), reason: why, actor }
      const step = stepFor(releases, change.request, this.#isTrusted)
      if (!step) return { rollout: releases.rollout, change: undefined }
      return waits ? this.#propose(releases, change) : this.#apply(step, change)
    })
  }

  async #apply(step: RolloutStep, change: NewReleaseChange, said?: Said): Promise<Released | undefined> {
    const applied = await this.#store.apply(step, change, said)
    return applied && { rollout: after(step), change: applied }
  }

  /** Answers a repeated request with the proposal that is open. */
  async #propose(releases: ModelReleases, change: NewReleaseChange, said?: Said): Promise<Released | undefined> {
    const { rollout } = releases
    const open = await this.#store.proposed(change, rollout.revision)
    if (open && said) await this.#store.note(change.model, said)
    const proposed = open ?? (await this.#store.propose(releases, change, said))
    return proposed && { rollout, change: proposed }
  }

  /** Tries again, on what is there then, while others are first. */
  async #untilSettled(model: string, attempt: (releases: ModelReleases) => Promise<Released | undefined>): Promise<Released> {
    for (let tries = 0; tries < TRIES; tries++) {
      const released = await attempt(await this.#store.read(model))
      if (released) return released
    }
    throw new AppError('SERVICE_UNAVAILABLE', 'Others change this rollout all the time. Try again shortly.')
  }

  async #open(id: string): Promise<ReleaseChange> {
    const change = await this.#store.find(id)
    if (!change) throw new AppError('NOT_FOUND', 'There is no change with this id. Take the id from releaseChanges.')
    if (change.state !== 'PROPOSED') throw decided()
    return change
  }
}

function requireReason(reason: string): string {
  const text = canonicalText(reason).trim()
  if (REASON.test(text)) return text
  throw badInput(inputProblem('A reason takes 1 to 500 printable characters.', 'reason'))
}

function decided(): AppError {
  return badInput(inputProblem('Somebody has decided on this change already.', 'changeId'))
}

function isSame(one: Actor, other: Actor): boolean {
  return one.principal === other.principal && one.tenant === other.tenant
}
