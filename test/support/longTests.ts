/** Whether the tests try everything, as `npm run test:security` does; `npm test` tries a part of it each time. */
export const IS_LONG = process.env.RISKGATE_LONG_TESTS === '1'

/** All items; in the short form every `step`th, beginning elsewhere for each `turn`, so that all turns together try all. */
export function partOf<T>(items: readonly T[], step: number, turn: number): T[] {
  return items.filter((_, i) => IS_LONG || (i + turn) % step === 0)
}
