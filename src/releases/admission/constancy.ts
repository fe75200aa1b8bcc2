import type { FeatureValues } from '../../scoring/features.js'
import { canonicalJson } from './canonicalJson.js'

/** A warning where all applications are the same, which shows nothing; undefined where the answers differ. */
export type Constancy = { readonly problem: string } | { readonly warning: string } | undefined

const SAME =
  'all applications that were tried are the same, so nothing shows whether others get another probability. Add different ones.'

/** Judges whether a graph answers the same to different applications, as with a wrong output column. */
export function judgeConstancy(applications: readonly FeatureValues[], answers: readonly number[]): Constancy {
  const [first] = answers
  if (answers.some(answer => answer !== first)) return undefined
  const different = new Set(applications.map(canonicalJson)).size
  if (different < 2) return { warning: SAME }
  return { problem: `it answers ${first} to each of ${different} different applications. Look for a wrong output column.` }
}
