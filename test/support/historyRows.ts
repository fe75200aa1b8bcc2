import type { Sql } from 'postgres'
import { ensurePartitions, startOfMonth } from '../../src/storage/postgres/partitions.js'

export interface HistoryRows {
  readonly rows: number
  /** How many months before the one of `until` the rows are spread over. */
  readonly months: number
  /** When they end; now unless given. */
  readonly until?: Date
}

/**
 * Fills the history of the tenant `default`, and a little of another's. Only the times of the rows differ from run to run.
 * 2 % of the rows belong to another tenant, and 1 % were requested by `small-shop`. There are four channels, one of them null.
 * Every tenth row has an outcome. The first 60 % are of version 1, the rest of version 2. Probabilities go from 0 to 1 in steps
 * of 0.001, so that many are equal.
 */
export async function fillHistory(sql: Sql, { rows, months, until = new Date() }: HistoryRows): Promise<void> {
  for (let ago = months; ago >= 0; ago--) await ensurePartitions(sql, startOfMonth(until, -ago))
  const [from, to] = [startOfMonth(until, -months).getTime(), until.getTime() - 1_000]
  await sql.unsafe(`
    insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, channel, created_at,
      requested_by, defaulted, outcome_observed_at, outcome_recorded_by)
    select (lpad(to_hex(ms), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
      case when i % 49 = 48 then 'other-bank' else 'default' end,
      'applicant-' || case when i % 20 = 0 then 0 else ('x' || substr(hash, 20, 6))::bit(24)::int % (${rows} / 10) end,
      'consumer-credit', case when i < ${rows} * 0.6 then '1' else '2' end, p,
      1 + (p >= 0.03)::int + (p >= 0.06)::int + (p >= 0.1)::int + (p >= 0.15)::int + (p >= 0.22)::int + (p >= 0.35)::int
        + (p >= 0.6)::int,
      p >= 0.35, (array['web', 'mobile', 'branch', null])[1 + ('x' || substr(hash, 26, 2))::bit(8)::int % 4],
      to_timestamp(ms / 1000.0), case when i % 100 = 3 then 'small-shop' else 'web-shop' end,
      case when i % 10 = 1 then p > 0.4 end, case when i % 10 = 1 then now() end, case when i % 10 = 1 then 'risk-desk' end
    from (
      select i, hash, ${from} + (i::bigint * ${to - from}) / ${rows} as ms,
        round(power(('x' || substr(hash, 12, 7))::bit(28)::int / 268435456.0, 2)::numeric, 3)::float8 as p
      from (select i, md5(i::text) as hash from generate_series(0, ${rows} - 1) as i) as hashed
    ) as made`)
  await sql.unsafe('analyze predictions')
}
