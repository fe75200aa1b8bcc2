import type { Receipts } from './receipts.js'

/** What a run left behind. */
export interface Judged {
  readonly subscribers: readonly { readonly name: string; readonly receipts: Receipts }[]
  /** The alerts table. */
  readonly stored: ReadonlySet<string>
  readonly scorer: { readonly acknowledged: ReadonlySet<string> }
  /** High-risk predictions that the tables hold without an alert. */
  readonly unalerted: number
}

export interface Verdict {
  /** For each subscriber, how many alerts of the table it never received. */
  readonly lost: readonly number[]
  readonly surplus: number
  readonly outOfOrder: number
  readonly repeatedElsewhere: number
  readonly repeats: number
  readonly resumes: number
  /** All violations, in words; empty if there are none. */
  readonly problems: readonly string[]
}

/** Every subscriber must have received exactly the alerts of the table, and the gateways must have acknowledged exactly these. */
export function judge({ subscribers, stored, scorer, unalerted }: Judged): Verdict {
  const all = subscribers.map(({ name, receipts }) => ({
    name,
    receipts,
    lost: receipts.lostOf(stored),
    surplus: receipts.surplusTo(stored),
  }))
  const sum = (of: (one: (typeof all)[number]) => number) => all.reduce((total, one) => total + of(one), 0)
  const problems = [
    ...difference('acknowledged, but not in the alerts table', scorer.acknowledged, stored),
    ...difference('in the alerts table, but never acknowledged', stored, scorer.acknowledged),
    ...(unalerted > 0 ? [`${unalerted} high-risk predictions without an alert`] : []),
    ...all.flatMap(({ name, receipts: { examples }, lost, surplus }) => [
      ...(lost.length > 0 ? [`${name} lost ${lost.length}: ${lost.slice(0, 3).join(', ')}`] : []),
      ...(surplus.length > 0 ? [`${name} received ${surplus.length} never raised: ${surplus.slice(0, 3).join(', ')}`] : []),
      ...examples.map(example => `${name}: ${example}`),
    ]),
  ]
  return {
    lost: all.map(({ lost }) => lost.length),
    surplus: sum(({ surplus }) => surplus.length),
    outOfOrder: sum(({ receipts }) => receipts.outOfOrder),
    repeatedElsewhere: sum(({ receipts }) => receipts.repeatedElsewhere),
    repeats: sum(({ receipts }) => receipts.repeats),
    resumes: sum(({ receipts }) => receipts.resumes),
    problems,
  }
}

function difference(what: string, these: ReadonlySet<string>, those: ReadonlySet<string>): string[] {
  const missing = [...these].filter(id => !those.has(id))
  return missing.length > 0 ? [`${missing.length} ${what}: ${missing.slice(0, 3).join(', ')}`] : []
}
