/** A version that gets a share of the applicants. */
export interface Share {
  readonly version: string
  /** Above 0; below 1 for a challenger, at most 1 for a shadow. */
  readonly share: number
}

/** Which versions of a model serve, the same for all gateways. */
export interface Rollout {
  readonly model: string
  readonly champion: string | undefined
  /** Answers its share of the applicants in place of the champion. */
  readonly challenger: Share | undefined
  /** Scores a share of the applications beside the champion; its scores are stored apart, and nobody is answered with them. */
  readonly shadow: Share | undefined
  /** The champions before this one that a rollback goes back to, the newest first. */
  readonly earlier: readonly string[]
  readonly retired: readonly string[]
  /** Grows by one with each change. */
  readonly revision: number
}

const MOST_EARLIER = 10

/** Makes a version champion. It gives up its share as a challenger or shadow. */
export function promoted(rollout: Rollout, version: string): Rollout {
  const { champion, earlier } = rollout
  const before = champion === undefined ? earlier : [champion, ...earlier]
  return {
    ...withoutShare(rollout, version),
    champion: version,
    earlier: before.filter(name => name !== version).slice(0, MOST_EARLIER),
    retired: rollout.retired.filter(name => name !== version),
  }
}

/** Makes an earlier champion champion again. Those that were passed over stay. */
export function rolledBack(rollout: Rollout, version: string): Rollout {
  const earlier = rollout.earlier.filter(name => name !== version)
  return { ...withoutShare(rollout, version), champion: version, earlier }
}

/** Takes a version out: it serves nobody, and no rollback goes back to it. */
export function retired(rollout: Rollout, version: string): Rollout {
  return {
    ...withoutShare(rollout, version),
    earlier: rollout.earlier.filter(name => name !== version),
    retired: [...rollout.retired.filter(name => name !== version), version],
  }
}

/** The versions that serve, and those that a rollback may go back to. */
export function versionsOf({ champion, challenger, shadow, earlier }: Rollout): string[] {
  return [champion, challenger?.version, shadow?.version, ...earlier].flatMap(version => version ?? [])
}

function withoutShare(rollout: Rollout, version: string): Rollout {
  const { challenger, shadow } = rollout
  return {
    ...rollout,
    challenger: challenger?.version === version ? undefined : challenger,
    shadow: shadow?.version === version ? undefined : shadow,
  }
}
