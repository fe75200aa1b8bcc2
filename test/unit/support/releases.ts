import type { FeatureValues } from '../../../src/scoring/features.js'
import { type InstalledVersion, type ModelStage, Release, type Scorer } from '../../../src/scoring/release.js'
import { contract, manifest } from './domain.js'

/** A release of the test model that answers a version's own probability: that of version 3 is 0.03. */
export function releaseOf(version: string, scorer: Partial<Scorer> = {}): Release {
  const score = async (rows: readonly FeatureValues[]) => rows.map(() => Number(version) / 100)
  return new Release(contract, { ...manifest, version }, { score, ...scorer })
}

export function installed(version: string, stage: ModelStage = 'CANDIDATE'): InstalledVersion {
  return { model: contract.name, version, stage, manifest: { ...manifest, version }, problems: [], warnings: [] }
}
