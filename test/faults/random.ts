/** A number from 0 (inclusive) to 1 (exclusive). */
export type Random = () => number

/** A generator that gives the same numbers for the same seed (mulberry32). */
export function seeded(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function between(random: Random, least: number, most: number): number {
  return least + random() * (most - least)
}

export function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T
}

/** `count` moments of a run, as shares of it: one in each equal part, none right at the beginning or at the end. */
export function moments(random: Random, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 0.04 + (0.9 * (i + random())) / count)
}
