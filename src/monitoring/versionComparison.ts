import { AppError, badInput, inputProblem } from '../errors.js'
import type { RiskBand } from '../scoring/bands.js'

/** Half-open: from <= t < to. */
export interface ComparisonQuery {
  readonly model: string
  readonly version: string
  /** The other version. */
  readonly against: string
  readonly from: Date
  readonly to: Date
}

/** Two versions on the same applications. A difference is the probability of `version` minus that of `against`. */
export interface VersionComparison extends Pick<ComparisonQuery, 'model' | 'version' | 'against'> {
  readonly rows: number
  /** False where the range holds more rows: the newest were compared. */
  readonly complete: boolean
  /** By the band of `against`, T1 to T8; then the counts by the band of `version`, T1 to T8. */
  readonly matrix: { band: RiskBand; counts: readonly number[] }[]
  /** Null without rows, as the next two are. */
  readonly meanDifference: number | null
  readonly meanAbsoluteDifference: number | null
  readonly largestAbsoluteDifference: number | null
  readonly quantiles: { quantile: number; difference: number }[]
}

export interface KnownVersions {
  readonly model: boolean
  readonly versions: readonly string[]
}

/** Joins predictions with shadow scores, in both directions. Implemented over Postgres. */
export interface ScorePairs {
  /** Whether the version store has the model, and which of the versions are in it, or have scored for the tenant. */
  known(tenant: string, model: string, versions: readonly string[]): Promise<KnownVersions>
  compare(tenant: string, query: ComparisonQuery): Promise<VersionComparison>
}

/**
 * Compares two versions.
 * @throws AppError MODEL_NOT_FOUND; BAD_USER_INPUT for an empty range, an unknown version, or a version with itself
 */
export async function compareVersions(pairs: ScorePairs, tenant: string, query: ComparisonQuery): Promise<VersionComparison> {
  if (query.from >= query.to) throw badInput(inputProblem('to must be after from.', 'to'))
  if (query.version === query.against) throw badInput(inputProblem('Name two versions.', 'against'))
  await requireKnown(pairs, tenant, query)
  return pairs.compare(tenant, query)
}

async function requireKnown(pairs: ScorePairs, tenant: string, { model, version, against }: ComparisonQuery): Promise<void> {
  const known = await pairs.known(tenant, model, [version, against])
  if (!known.model && known.versions.length === 0) throw new AppError('MODEL_NOT_FOUND', 'There is no model of this name.')
  const unknown = Object.entries({ version, against }).filter(([, name]) => !known.versions.includes(name))
  const [first, ...others] = unknown.map(([argument]) =>
    inputProblem('There is no version of this name. The model lists its versions.', argument),
  )
  if (first) throw badInput(first, ...others)
}
