import type { FeatureValues } from '../../scoring/features.js'
import type { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { MAX_ROWS_A_RUN } from '../../scoring/release.js'
import { toleranceOf } from './goldenCheck.js'

// Vectorised kernels treat the last rows of a group otherwise, so sizes and places of all kinds are tried.
const GROUP_SIZES = [3, 8, 13, 32, 48]
/** Groups with more rows than the sample repeat them, up to the most that share a run. */
const LARGE_SIZES = [64, 100, 160, MAX_ROWS_A_RUN]
const ROWS = 24

/** How the rows of a group bear on each other: a problem, other bits, or nothing. */
export type Company = { readonly problem: string } | { readonly hasOtherBits: boolean }

type Runs = Pick<OnnxModel, 'run'> & Partial<Pick<OnnxModel, 'isHalfPrecision'>>

/**
 * Compares what a graph answers for a row alone and in groups of other rows. A probability must not depend on which applications
 * happen to share a run, not even in its last bit.
 */
export async function judgeCompany(model: Runs, applications: readonly FeatureValues[]): Promise<Company> {
  const rows = sampleOf(applications)
  let hasOtherBits = false
  try {
    const alone: number[] = []
    for (const row of rows) alone.push(...(await model.run([row])))
    for (const places of [...walks(rows.length), ...largeGroups(alone)]) {
      const group = await model.run(places.map(place => rows[place] as FeatureValues))
      for (const [i, together] of group.entries()) {
        const lone = alone[places[i] as number] as number
        if (Object.is(lone, together)) continue
        hasOtherBits = true
        // Rounding in another order is no dependence.
        if (Math.abs(lone - together) <= toleranceOf(model)) continue
        return {
          problem: `the probability of an application depends on those beside it: ${lone} alone, ${together} among ${group.length - 1} others.`,
        }
      }
    }
  } catch (error) {
    return { problem: `the graph cannot score a row alone and in groups: ${saidBy(error)}.` }
  }
  return { hasOtherBits }
}

/** Walks over the rows in groups of each size: the places of the rows of each group. */
function walks(rows: number): number[][] {
  const places = Array.from({ length: rows }, (_, i) => i)
  return GROUP_SIZES.flatMap(size =>
    Array.from({ length: Math.ceil(rows / size) }, (_, i) => places.slice(i * size, (i + 1) * size)),
  )
}

/** Groups with the row of the lowest answer at every other place, and the same groups with that of the highest there. */
function largeGroups(alone: readonly number[]): number[][] {
  const neighbours = [alone.indexOf(Math.min(...alone)), alone.indexOf(Math.max(...alone))]
  return LARGE_SIZES.flatMap(size =>
    neighbours.map(neighbour => Array.from({ length: size }, (_, i) => (i % 2 === 0 ? (i / 2) % alone.length : neighbour))),
  )
}

/** The first application of each pattern of missing features, and others spread over all. */
function sampleOf(applications: readonly FeatureValues[]): FeatureValues[] {
  const patterns = new Map<string, FeatureValues>()
  for (const features of applications) {
    const pattern = Object.keys(features).join()
    if (patterns.size < ROWS && !patterns.has(pattern)) patterns.set(pattern, features)
  }
  const step = Math.max(1, Math.floor(applications.length / ROWS))
  const spread = applications.filter((_, i) => i % step === 0).slice(0, ROWS)
  return [...new Set([...patterns.values(), ...spread])]
}
