import type { ModelContract } from './contract.js'

/** How a model spells its categories, by feature and canonical form; only where the two differ. */
export type Spellings = ReadonlyMap<string, ReadonlyMap<string, string>>

export function spellingsOf({ features }: ModelContract): Spellings {
  const spelled = features.flatMap(feature => {
    if (feature.kind !== 'CATEGORY') return []
    const different = feature.categories.map((category, i) => [category, feature.spellings[i] as string] as const)
    return [[feature.name, new Map(different.filter(([category, spelling]) => category !== spelling))] as const]
  })
  return new Map(spelled.filter(([, different]) => different.size > 0))
}
