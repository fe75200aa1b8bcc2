import type { Random } from '../support/random.js'

export function between(random: Random, least: number, most: number): number {
  return least + random() * (most - least)
}

/** `count` moments of a run, as shares of it: one in each equal part, none right at the beginning or at the end. */
export function moments(random: Random, count: number): number[] {
  return Array.from({ length: count }, (_, i) => 0.04 + (0.9 * (i + random())) / count)
}
