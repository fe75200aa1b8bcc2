import { migrateDatabase } from '../dist/storage/migrate.js'
import { ensurePartitions } from '../dist/storage/postgres/partitions.js'

const MONTHS = 13
const ROWS_AN_APPLICANT = 200
const ROWS_A_STATEMENT = 250_000
const DAY_MS = 86_400_000
const ALERT_RETENTION_DAYS = 30
// Uses both cores, because one statement uses one.
const STATEMENTS_AT_ONCE = 2

/**
 * Fills an empty database with `rows` predictions over the last 13 months, with their rollup and alerts.
 * @param {{ url: string, sql: import('postgres').Sql, rows: number, show: (step: string) => void }} order
 */
export async function loadHistory({ url, sql, rows, show }) {
  await migrateDatabase(url)
  const to = new Date()
  const from = new Date(Date.UTC(to.getUTCFullYear(), to.getUTCMonth() - MONTHS + 1, 1))
  for (let month = 0; month < MONTHS; month++) {
    await ensurePartitions(sql, new Date(Date.UTC(from.getUTCFullYear(), from.getUTCMonth() + month, 1)))
  }
  const indexes = await dropIndexes(sql)
  await insertPredictions(sql, { rows, from, to, show })
  for (const [i, definition] of indexes.entries()) {
    show(`index ${i + 1} of ${indexes.length}`)
    await sql.unsafe(`set maintenance_work_mem = '512MB'; ${definition}`)
  }
  show('statistics and alerts')
  await fillRollups(sql)
  await sql.unsafe(FILL_ALERTS)
  show('vacuum')
  await sql.unsafe('vacuum analyze')
  // Otherwise a checkpoint would come during the measurement. Not every user may run one.
  await sql.unsafe('checkpoint').catch(() => {})
}

/** Drops the indexes; returns the statements that create them again, which costs a fifth of updating them row by row. */
async function dropIndexes(sql) {
  const indexes = await sql`
    select indexrelid::regclass::text as name, pg_get_indexdef(indexrelid) as definition from pg_index
    where indrelid = 'predictions'::regclass and not indisprimary`
  for (const { name } of indexes) await sql.unsafe(`drop index ${name}`)
  // PostgreSQL writes the definition of a partitioned table's index with ONLY, which would leave out its partitions.
  return indexes.map(({ definition }) => definition.replace(' ON ONLY ', ' ON '))
}

async function insertPredictions(sql, { rows, from, to, show }) {
  const starts = Array.from({ length: Math.ceil(rows / ROWS_A_STATEMENT) }, (_, i) => i * ROWS_A_STATEMENT)
  let done = 0
  const work = async () => {
    for (let start = starts.shift(); start !== undefined; start = starts.shift()) {
      const end = Math.min(start + ROWS_A_STATEMENT, rows)
      await sql.unsafe(insertStatement({ start, end, rows, from, to }))
      done += end - start
      show(`${done.toLocaleString('en')} rows`)
    }
  }
  await Promise.all(Array.from({ length: STATEMENTS_AT_ONCE }, work))
}

/**
 * Rows at equal distances in time. Probabilities are those of a portfolio with about 7 % high risk. There are four channels or none.
 * Version 2 replaces version 1 after 60 % of the time. A tenth of the rows has an outcome, all of them older than three months.
 */
function insertStatement({ start, end, rows, from, to }) {
  const stepMs = (to.getTime() - from.getTime()) / rows
  const applicants = Math.max(1, Math.round(rows / ROWS_AN_APPLICANT))
  const outcomesUntil = new Date(to.getTime() - 90 * DAY_MS).toISOString()
  return `
    set synchronous_commit = off;
    select setseed(${start / rows});
    insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, features, channel,
      created_at, requested_by, defaulted, outcome_observed_at, outcome_recorded_by)
    select
      (lpad(to_hex(ms), 12, '0') || '7' || substr(noise, 1, 3) || substr('89ab', 1 + (i % 4)::int, 1) || substr(noise, 4, 15))::uuid,
      case when i % 20 = 7 then 'other' else 'default' end,
      'applicant-' || floor(u1 * ${applicants})::int,
      'consumer-credit',
      case when (u2 < 0.97) = (i < ${Math.round(0.6 * rows)}) then '1' else '2' end,
      pd, band, band >= 7,
      jsonb_build_object('seniority', (u1 * 40)::int, 'home', 'owner', 'time', 60, 'records', u2 < 0.2, 'job', 'fixed',
        'expenses', 35 + (u2 * 100)::int, 'income', (u1 * 400)::int, 'assets', (u2 * 9000)::int, 'debt', 0,
        'amount', 100 + (u1 * 3000)::int, 'price', 300 + (u1 * 4000)::int),
      (array['web', 'mobile', 'web', 'branch', 'mobile', 'web', 'partner', 'mobile', 'web', null])[1 + floor(u3 * 10)::int],
      created_at,
      (array['web-shop', 'mobile-app', 'web-shop', 'branch-desk', 'mobile-app', 'risk-desk'])[1 + floor(u4 * 6)::int],
      case when has_outcome then u3 < pd end,
      case when has_outcome then created_at + interval '90 days' end,
      case when has_outcome then 'collections' end
    from (
      select *, created_at < '${outcomesUntil}' and u4 < ${(0.1 * MONTHS) / (MONTHS - 3)} as has_outcome,
        1 + width_bucket(pd, array[0.03, 0.06, 0.1, 0.15, 0.22, 0.35, 0.6]) as band
      from (
        select *, to_timestamp(ms / 1000.0) as created_at,
          1 / (1 + exp(2.4 - 1.2 * sqrt(-2 * ln(1 - u1)) * cos(2 * pi() * u2))) as pd
        from (
          select i, floor(${from.getTime()} + (i + 0.5) * ${stepMs})::bigint as ms, md5(i::text) as noise,
            random() as u1, random() as u2, random() as u3, random() as u4
          from generate_series(${start}::bigint, ${end - 1}::bigint) as i
        ) drawn
      ) scored
    ) banded`
}

/** Fills the rollup by quarter of an hour, and also by longer spans if the table has them. */
async function fillRollups(sql) {
  const [{ exists: hasSpans }] = await sql`
    select exists (select from pg_attribute where attrelid = 'risk_rollups'::regclass and attname = 'minutes')`
  for (const minutes of hasSpans ? [15, 60, 1_440] : [15]) {
    await sql.unsafe(`
      insert into risk_rollups (tenant, model, model_version, quarter, band, predictions, probability_sum, high_risk, outcomes,
        defaults ${hasSpans ? ', minutes' : ''})
      select tenant, model, model_version, date_bin('${minutes} minutes', created_at, timestamptz '2000-01-01 00:00Z'), band, count(*),
        sum(probability), count(*) filter (where high_risk), count(defaulted), count(*) filter (where defaulted)
        ${hasSpans ? `, ${minutes}` : ''}
      from predictions group by 1, 2, 3, 4, 5`)
  }
}

// Retention would have removed older alerts.
const FILL_ALERTS = `
  insert into alerts (prediction_id, tenant, epoch, xid, raised_at)
  select id, tenant, (select max(ordinal) from feed_epochs), pg_current_xact_id(), created_at from predictions
  where high_risk and created_at >= now() - interval '${ALERT_RETENTION_DAYS} days' order by id`
