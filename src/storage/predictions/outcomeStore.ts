import { and, eq, inArray, isNotNull } from 'drizzle-orm'
import type { Visibility } from '../../auth/principal.js'
import type { NewOutcome, OutcomeRecorder, RecordedOutcome } from '../../monitoring/outcomes.js'
import type { Outcome } from '../../scoring/prediction.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Connections, Database } from '../postgres/database.js'
import { type InMilliseconds, milliseconds } from '../postgres/instants.js'
import { QUARTER } from '../statistics/rollupSpans.js'
import { predictions } from '../tables/predictions.js'
import { type PredictionRow, toPrediction } from './predictionRow.js'

const ISO_8601 = `'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'`

type RecordedRow = InMilliseconds<PredictionRow> & {
  readonly defaulted: boolean | null
  readonly observedAt: number | null
  readonly recordedBy: string | null
}

/** Stores the outcome of each loan in its prediction's row. */
export class OutcomeStore implements OutcomeRecorder {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** By prediction id; no entry where there is no outcome. */
  async findByIds(tenant: string, ids: readonly string[]): Promise<ReadonlyMap<string, Outcome>> {
    const rows = await this.#database.read(({ db }) =>
      db
        .select({
          id: predictions.id,
          defaulted: predictions.defaulted,
          observedAt: predictions.outcomeObservedAt,
          recordedBy: predictions.outcomeRecordedBy,
        })
        .from(predictions)
        .where(and(eq(predictions.tenant, tenant), inArray(predictions.id, [...ids]), isNotNull(predictions.defaulted))),
    )
    return new Map(rows.map(({ id, ...outcome }) => [id, outcome as Outcome]))
  }

  /**
   * Answers after commit, by prediction id; no entry for one that is not visible. An outcome observed before its prediction was made
   * changes nothing, and neither does one that is recorded already. Ids must not repeat.
   */
  async record(
    visibility: Visibility,
    recordedBy: string,
    outcomes: readonly NewOutcome[],
  ): Promise<ReadonlyMap<string, RecordedOutcome>> {
    const rows = JSON.stringify(
      outcomes.map(({ predictionId, defaulted, observedAt }) => ({ id: predictionId, defaulted, observed_at: observedAt })),
    )
    const found = await this.#database.writeBulk(({ sql }) => recordStatement(sql, visibility, recordedBy, rows))
    return new Map(found.map(row => [row.id, toRecorded(row)]))
  }
}

/**
 * Earlier values are read from the locked rows: the change to the statistics is exact even when corrections of the same
 * prediction meet. Locks in the order of ids, so that two calls do not deadlock. A report that changes nothing is audited as a
 * read, since it shows the prediction.
 */
function recordStatement(sql: Connections['sql'], { tenant, requestedBy }: Visibility, recordedBy: string, rows: string) {
  const iso8601 = sql.unsafe(ISO_8601)
  const details = sql`
    jsonb_build_object('defaulted', now_defaulted, 'observedAt', to_char(now_observed_at at time zone 'UTC', ${iso8601}),
      'before', case when defaulted is not null then jsonb_build_object('defaulted', defaulted, 'observedAt',
        to_char(outcome_observed_at at time zone 'UTC', ${iso8601}), 'recordedBy', outcome_recorded_by) end)`
  return sql<RecordedRow[]>`
    with input as (
      select * from json_to_recordset(${rows}::text::json) as row (id uuid, defaulted boolean, observed_at timestamptz)
    ), locked as (
      select p.*, input.defaulted as now_defaulted, input.observed_at as now_observed_at, input.observed_at >= p.created_at
        and (p.defaulted, p.outcome_observed_at) is distinct from (input.defaulted, input.observed_at) as is_new
      from input join predictions p on p.tenant = ${tenant} and p.id = input.id
      where p.requested_by = coalesce(${requestedBy ?? null}, p.requested_by)
      order by p.id
      for no key update of p
    ), changed as materialized (
      select * from locked where is_new
    ), updated as (
      update predictions p set defaulted = now_defaulted, outcome_observed_at = now_observed_at, outcome_recorded_by = ${recordedBy}
      from changed where p.tenant = ${tenant} and p.id = changed.id
    ), counted as (
      insert into risk_deltas (tenant, model, model_version, quarter, band, predictions, probability_sum, high_risk, outcomes, defaults)
      select tenant, model, model_version, ${sql.unsafe(QUARTER)}, band, 0, 0, 0, sum((defaulted is null)::int),
        sum(now_defaulted::int - coalesce(defaulted, false)::int)
      from changed where defaulted is distinct from now_defaulted group by 1, 2, 3, 4, 5
    ), audited as (
      ${auditInsert(sql, 'outcome.recorded', { tenant, principal: recordedBy }, { rows: sql`changed`, subject: sql`id`, details })}
    ), shown as (
      ${auditInsert(
        sql,
        'history.read',
        { tenant, principal: recordedBy },
        {
          rows: sql`(select id from locked where not is_new and now_observed_at >= created_at) unchanged`,
          subject: sql`id`,
          details: sql`jsonb_build_object('operation', 'recordOutcomes', 'ids', jsonb_build_array(id))`,
        },
      )}
    )
    select id, tenant, applicant_id as "applicantId", model, model_version as "modelVersion", probability, band,
      high_risk as "highRisk", channel, ${sql.unsafe(milliseconds('created_at'))} as "createdAt", requested_by as "requestedBy",
      case when is_new then now_defaulted else defaulted end as defaulted,
      ${sql.unsafe(milliseconds('case when is_new then now_observed_at else outcome_observed_at end'))} as "observedAt",
      case when is_new then ${recordedBy} else outcome_recorded_by end as "recordedBy"
    from locked`
}

function toRecorded({ defaulted, observedAt, recordedBy, createdAt, ...row }: RecordedRow): RecordedOutcome {
  const isRecorded = defaulted !== null && observedAt !== null && recordedBy !== null
  return {
    prediction: toPrediction({ ...row, createdAt: new Date(createdAt) }),
    outcome: isRecorded ? { defaulted, observedAt: new Date(observedAt), recordedBy } : null,
  }
}
