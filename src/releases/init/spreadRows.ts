import type { FeatureValues } from '../../scoring/features.js'
import type { Proposal } from './proposal.js'
import type { SampleRow } from './sampleRows.js'

/** About `most` rows spread over all, with the first row of each category, of each Boolean and of each missing value. */
export function spreadRows(rows: readonly SampleRow[], proposal: Proposal, most: number): readonly SampleRow[] {
  if (rows.length <= most) return rows
  const reached = new Set<string>()
  const first = rows.filter(row => {
    const edges = edgesOf(proposal.featuresOf(row), proposal)
    const isFirst = edges.some(edge => !reached.has(edge))
    for (const edge of edges) reached.add(edge)
    return isFirst
  })
  const step = Math.ceil(rows.length / most)
  return [...new Set([...first, ...rows.filter((_, i) => i % step === 0)])]
}

function edgesOf(features: FeatureValues, proposal: Proposal): string[] {
  return proposal.features.flatMap(({ name, kind }) =>
    features[name] === undefined || kind === 'CATEGORY' || kind === 'BOOLEAN' ? [`${name} ${features[name]}`] : [],
  )
}
