import type { FeatureValues } from '../../scoring/features.js'
import type { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { toleranceOf } from './goldenCheck.js'

// Vectorised kernels treat the last rows of a group otherwise, so sizes and places of all kinds are tried.
const GROUP_SIZES = [3, 8, 13, 32, 256]
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
    for (const size of GROUP_SIZES) {
      for (let at = 0; at < rows.length; at += size) {
        const group = await model.run(rows.slice(at, at + size))
        for (const [i, together] of group.entries()) {
          const lone = alone[at + i] as number
          if (Object.is(lone, together)) continue
          hasOtherBits = true
          // Rounding in another order is no dependence.
          if (Math.abs(lone - together) <= toleranceOf(model)) continue
          return {
            problem: `the probability of an application depends on those beside it: ${lone} alone, ${together} among others.`,
          }
        }
        if (size >= rows.length) break
      }
    }
  } catch (error) {
    return { problem: `the graph cannot score a row alone and in groups: ${saidBy(error)}.` }
  }
  return { hasOtherBits }
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
