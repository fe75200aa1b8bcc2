import { sql } from 'drizzle-orm'
import type { ComparisonQuery, KnownVersions, ScorePairs, VersionComparison } from '../../monitoring/versionComparison.js'
import { RISK_BANDS } from '../../scoring/bands.js'
import type { Database } from '../postgres/database.js'
import { storable } from '../postgres/instants.js'
import { firstIdOf } from '../postgres/partitions.js'

// A statement reads them in a part of a second.
const MOST_ROWS = 20_000
const QUANTILES = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99]

interface Compared extends Record<string, unknown> {
  readonly rows: number
  readonly complete: boolean
  readonly cells: readonly { readonly against: number; readonly version: number; readonly count: number }[]
  readonly mean: number | null
  readonly meanAbsolute: number | null
  readonly largest: number | null
  readonly quantiles: readonly number[] | null
}

/** Compares two versions over predictions and shadow scores. */
export class ComparisonStore implements ScorePairs {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async known(tenant: string, model: string, versions: readonly string[]): Promise<KnownVersions> {
    const [found] = await this.#database.read(
      ({ sql }) => sql<KnownVersions[]>`
        select exists (select from model_versions where model = ${model}) as model, array(
          select name from unnest(${[...versions]}::text[]) name
          where exists (select from model_versions v where v.model = ${model} and v.version = name)
            or exists (select from predictions p where p.tenant = ${tenant} and p.model = ${model} and p.model_version = name)
            or exists (select from shadow_scores s where s.tenant = ${tenant} and s.model = ${model} and s.version = name)
        ) as versions`,
    )
    return found ?? { model: false, versions: [] }
  }

  /** Reads two indexes side by side: predictions and shadow scores of a version stand in the order of their ids, which is that of time. */
  async compare(tenant: string, { model, version, against, from, to }: ComparisonQuery): Promise<VersionComparison> {
    const [first, end] = [firstIdOf(storable(from)), firstIdOf(storable(to))]
    const pairsOf = (answered: string, scored: string, columns: string) => sql`
      (select p.id, ${sql.raw(columns)}
      from shadow_scores s join predictions p on p.tenant = s.tenant and p.id = s.prediction_id
      where s.tenant = ${tenant} and s.model = ${model} and s.version = ${scored}
        and s.prediction_id >= ${first}::uuid and s.prediction_id < ${end}::uuid
        and p.tenant = ${tenant} and p.model = ${model} and p.model_version = ${answered}
        and p.id >= ${first}::uuid and p.id < ${end}::uuid
      order by s.prediction_id desc limit ${MOST_ROWS + 1})`
    const [found] = await this.#database.read(({ db }) =>
      db.execute<Compared>(sql`
        with pairs as materialized (
          select * from (
            ${pairsOf(against, version, 'p.band as against, s.band as version, s.probability - p.probability as difference')}
            union all
            ${pairsOf(version, against, 's.band as against, p.band as version, p.probability - s.probability as difference')}
          ) both_ways order by id desc limit ${MOST_ROWS + 1}
        ), compared as materialized (
          select * from pairs order by id desc limit ${MOST_ROWS}
        ), cells as (
          select against, version, count(*)::int as count from compared group by 1, 2
        )
        select count(*)::int as rows, (select count(*) from pairs) <= ${MOST_ROWS} as complete, avg(difference) as mean, avg(abs(difference)) as "meanAbsolute", max(abs(difference)) as largest,
          to_json(percentile_cont(${sql.raw(`array[${QUANTILES}]::float8[]`)}) within group (order by difference)) as quantiles,
          (select coalesce(json_agg(cells), '[]') from cells) as cells
        from compared`),
    )
    return { model, version, against, ...resultOf(found) }
  }
}

function resultOf(found: Compared | undefined): Omit<VersionComparison, 'model' | 'version' | 'against'> {
  const cells = found?.cells ?? []
  const countOf = (row: number, column: number) =>
    cells.find(({ against, version }) => against === row + 1 && version === column + 1)?.count ?? 0
  return {
    rows: found?.rows ?? 0,
    complete: found?.complete ?? true,
    matrix: RISK_BANDS.map((band, row) => ({ band, counts: RISK_BANDS.map((_, column) => countOf(row, column)) })),
    meanDifference: found?.mean ?? null,
    meanAbsoluteDifference: found?.meanAbsolute ?? null,
    largestAbsoluteDifference: found?.largest ?? null,
    quantiles: (found?.quantiles ?? []).map((difference, i) => ({ quantile: QUANTILES[i] as number, difference })),
  }
}
