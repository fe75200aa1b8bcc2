import { isDeepStrictEqual } from 'node:util'
import type { FeatureContract, ModelContract } from './contract.js'

/** Sentences that say where a contract is not an older one with more optional features; none where it is. */
export function growthProblems(newer: ModelContract, older: ModelContract): string[] {
  const problems: string[] = []
  if (newer.inputField !== older.inputField) problems.push(`its inputField is ${newer.inputField}, not ${older.inputField}`)
  const known = new Map(older.features.map(feature => [feature.name, feature]))
  for (const feature of newer.features) {
    const before = known.get(feature.name)
    known.delete(feature.name)
    if (!before && feature.required) problems.push(`${feature.name} is new and required`)
    if (before && !isDeepStrictEqual(withoutTexts(before), withoutTexts(feature))) {
      problems.push(`${feature.name} has another kind, range, unit or list of categories`)
    }
  }
  for (const name of known.keys()) problems.push(`${name} is gone`)
  return problems
}

/** Texts for people may change at any time. */
function withoutTexts({ description: _, ...feature }: FeatureContract) {
  return feature
}
