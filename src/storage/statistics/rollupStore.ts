import type { BandCount, CountQuery, Statistics } from '../../monitoring/riskSummary.js'
import { bandOfNumber } from '../../scoring/bands.js'
import { inChunks } from '../postgres/chunks.js'
import type { Connections, Database } from '../postgres/database.js'
import { storable } from '../postgres/instants.js'
import { firstIdOf } from '../postgres/partitions.js'
import { GRAINS, spansOf } from './rollupSpans.js'

const QUARTER_MS = 900_000
// A statement is ended after a second. The slowest days are those of zones whose hours begin between two hours of UTC: they take
// 0.08 ms for each model version that is busy all day.
const BUCKETS_A_STATEMENT = 250
// A statement lasts at most 100 ms: the alert feed cannot pass a transaction that is still open.
const MAX_DELTAS_A_STATEMENT = 2_000

/** The statistics of predictions: rollups, and the deltas that are not folded into them yet. */
export class RollupStore implements Statistics {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** Counts predictions with from <= t < to, by bucket and band. One statement reads a bucket, as of one moment: it is exact. */
  async count(tenant: string, { starts, ...query }: CountQuery): Promise<BandCount[]> {
    const counts: BandCount[] = []
    for (let first = 0; first < starts.length; first += BUCKETS_A_STATEMENT) {
      const part = starts.slice(first, first + BUCKETS_A_STATEMENT)
      const from = first === 0 ? query.from : (part[0] as Date)
      const to = starts[first + BUCKETS_A_STATEMENT] ?? query.to
      const rows = await this.#database.read(({ sql }) => countStatement(sql, tenant, { ...query, from, to, starts: part }))
      for (const { bucket, band, ...figures } of rows) {
        counts.push({ ...figures, bucket: first + bucket, band: bandOfNumber(band) })
      }
    }
    return counts
  }

  /** Folds the deltas into the rollups, until the signal ends it. Several gateways may do so at once. */
  async fold(signal?: AbortSignal): Promise<void> {
    await inChunks(MAX_DELTAS_A_STATEMENT, () => this.#database.writeBulk(({ sql }) => foldStatement(sql)), signal)
  }
}

/** Skips deltas that another gateway is folding; writes rollups in the order of their keys, so that no two gateways deadlock. */
async function foldStatement(sql: Connections['sql']): Promise<number> {
  const [folded] = await sql<{ deltas: number }[]>`
    with taken as (
      delete from risk_deltas
      where ctid = any (array(select ctid from risk_deltas limit ${MAX_DELTAS_A_STATEMENT} for update skip locked))
      returning *
    ), folded as (
      insert into risk_rollups as rollup (tenant, minutes, quarter, model, model_version, band, predictions, probability_sum, high_risk,
        outcomes, defaults)
      select tenant, minutes, date_bin(make_interval(mins => minutes), quarter, timestamptz '2000-01-01 00:00Z') as first, model,
        model_version, band, sum(predictions), sum(probability_sum), sum(high_risk), sum(outcomes), sum(defaults)
      from taken cross join unnest(${`{${GRAINS.join()}}`}::int[]) as grain (minutes)
      group by tenant, minutes, first, model, model_version, band
      order by tenant, minutes, first, model, model_version, band
      on conflict (tenant, minutes, quarter, model, model_version, band) do update set
        predictions = rollup.predictions + excluded.predictions,
        probability_sum = rollup.probability_sum + excluded.probability_sum,
        high_risk = rollup.high_risk + excluded.high_risk,
        outcomes = rollup.outcomes + excluded.outcomes,
        defaults = rollup.defaults + excluded.defaults
    )
    select count(*)::int as deltas from taken`
  return folded?.deltas ?? 0
}

type CountRow = Omit<BandCount, 'band'> & { readonly band: number }

/**
 * Whole quarters come from the rollups, span by span: this makes Postgres walk along the key, however many rows it expects. The
 * few deltas are read all at once. The parts of a quarter at both ends come from the predictions themselves: those in the range
 * are added; when the last quarter was counted whole, those after the range are subtracted.
 */
function countStatement(sql: Connections['sql'], tenant: string, { from, to, starts, model }: CountQuery): Promise<CountRow[]> {
  const wholeFrom = wholeQuarter(from, Math.ceil)
  const quarter = wholeQuarter(to, Math.floor)
  const isLastWhole = wholeFrom <= quarter && (starts.at(-1) ?? from) <= quarter && isMostlyBefore(to)
  const wholeTo = isLastWhole ? wholeQuarter(to, Math.ceil) : quarter
  const last = isLastWhole ? [to, wholeTo] : [wholeTo, to]
  // A range within one quarter holds no whole one: all of it comes from the predictions.
  const edges = wholeFrom <= wholeTo ? [from, wholeFrom, ...last] : [from, to, to, to]
  const [firstFrom, firstTo, lastFrom, lastTo] = edges.map(firstIdOf) as [string, string, string, string]
  const sign = sql`case when id < ${firstIdOf(to)} then 1 else -1 end`
  const [since, until] = [wholeFrom.toISOString(), wholeTo.toISOString()]
  const instants = `{${starts.map(start => storable(start).toISOString()).join()}}`
  const ofModel = model === undefined ? sql`` : sql`and model = ${model}`
  const sums = sql.unsafe(`sum(predictions)::float8 as predictions, sum(probability_sum) as "probabilitySum",
    sum(high_risk)::float8 as "highRisk", sum(outcomes)::float8 as outcomes, sum(defaults)::float8 as defaults`)
  return sql<CountRow[]>`
    select bucket, counted.*
    from json_to_recordset(${spansText(starts, wholeFrom, wholeTo)}::text::json)
      as span (bucket int, minutes int, "from" timestamptz, "to" timestamptz)
    cross join lateral (
      select band, ${sums} from risk_rollups
      where tenant = ${tenant} and risk_rollups.minutes = span.minutes and quarter >= span.from and quarter < span.to
        ${ofModel}
      group by band
    ) counted
    union all
    select width_bucket(at, ${instants}::timestamptz[]) - 1, band, ${sums} from (
      select quarter as at, band, predictions, probability_sum, high_risk, outcomes, defaults from risk_deltas
      where tenant = ${tenant} and quarter >= ${since}::timestamptz and quarter < ${until}::timestamptz
        ${ofModel}
      union all
      select created_at, band, sign, sign * probability, sign * high_risk::int, sign * (defaulted is not null)::int,
        sign * coalesce(defaulted, false)::int
      from predictions cross join lateral (select ${sign} as sign) signed
      where tenant = ${tenant} and (id >= ${firstFrom} and id < ${firstTo} or id >= ${lastFrom} and id < ${lastTo}) ${ofModel}
    ) tail
    group by 1, 2`
}

/**
 * Whether, in the quarter in which a range ends, fewer predictions lie after the end than before it. After the usual end, which
 * is now, there are hardly any. The clock only chooses between two exact ways to count: a clock that is wrong, or ahead of a
 * replica's, costs time only. For a quarter long past the answer is no: the predictions to subtract may no longer be kept.
 */
function isMostlyBefore(to: Date): boolean {
  const [now, end] = [Date.now(), to.getTime()]
  const begin = Math.floor(end / QUARTER_MS) * QUARTER_MS
  return begin > now - 2 * QUARTER_MS && Math.min(begin + QUARTER_MS, now) - end < end - begin
}

/** The rollups of each bucket, as JSON. */
function spansText(starts: readonly Date[], from: Date, to: Date): string {
  const spans = starts.flatMap((start, bucket) => {
    const since = Math.max(start.getTime(), from.getTime())
    const until = Math.min(starts[bucket + 1]?.getTime() ?? to.getTime(), to.getTime())
    const iso = (milliseconds: number) => new Date(milliseconds).toISOString()
    return [...spansOf(since, until)].map(({ minutes, from, to }) => ({ bucket, minutes, from: iso(from), to: iso(to) }))
  })
  return JSON.stringify(spans)
}

/** The beginning of a quarter next to an instant: before it with Math.floor, after it with Math.ceil. */
function wholeQuarter(instant: Date, round: (quarters: number) => number): Date {
  return storable(new Date(round(instant.getTime() / QUARTER_MS) * QUARTER_MS))
}
