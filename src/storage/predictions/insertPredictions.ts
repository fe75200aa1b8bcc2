import { bandNumber } from '../../scoring/bands.js'
import type { NewPrediction } from '../../scoring/prediction.js'
import type { Connections } from '../postgres/database.js'
import { EPOCH_HERE } from '../postgres/feedEpoch.js'
import { QUARTER } from '../statistics/rollupSpans.js'

/** Its parameter is the rows, as a text of JSON. */
export const INSERT_PREDICTIONS = `
  with input as (
    select * from json_to_recordset($1::text::json) as row (
      id uuid, tenant text, applicant_id text, model text, model_version text, probability double precision, band smallint,
      high_risk boolean, features jsonb, channel text, created_at timestamptz, requested_by text, key text, digest text)
  ), keyed as (
    insert into idempotency_keys (tenant, principal, key, prediction_id, digest, created_at)
    select tenant, requested_by, key, id, digest, created_at from input where key is not null
    order by tenant, requested_by, key, id
    on conflict do nothing
    returning prediction_id
  ), stored as (
    insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, features, channel,
      created_at, requested_by)
    select id, tenant, applicant_id, model, model_version, probability, band, high_risk, features, channel, created_at, requested_by
    from input where key is null or id in (select prediction_id from keyed)
    returning id, tenant, model, model_version, probability, band, high_risk, created_at
  ), raised as (
    insert into alerts (prediction_id, tenant, epoch, xid, raised_at)
    select id, tenant, ${EPOCH_HERE}, pg_current_xact_id(), created_at from stored where high_risk
  ), counted as (
    insert into risk_deltas (tenant, model, model_version, quarter, band, predictions, probability_sum, high_risk, outcomes, defaults)
    select tenant, model, model_version, ${QUARTER}, band, count(*), sum(probability), count(*) filter (where high_risk), 0, 0
    from stored group by 1, 2, 3, 4, 5
  )
  select id from stored`

/**
 * Stores predictions with their keys, alerts and counts, and answers the ids of those that are new. One statement, not a transaction of
 * several: a callback whose connection breaks half way would commit the rest on the next.
 */
export function insertPredictions(sql: Connections['sql'], group: readonly NewPrediction[]): Promise<{ id: string }[]> {
  return sql.unsafe<{ id: string }[]>(INSERT_PREDICTIONS, [JSON.stringify(group.map(toInput))], { prepare: true })
}

function toInput({ prediction, features, idempotency }: NewPrediction) {
  return {
    id: prediction.id,
    tenant: prediction.tenant,
    applicant_id: prediction.applicantId,
    model: prediction.model,
    model_version: prediction.modelVersion,
    probability: prediction.probability,
    band: bandNumber(prediction.band),
    high_risk: prediction.highRisk,
    features,
    channel: prediction.channel,
    created_at: prediction.createdAt,
    requested_by: prediction.requestedBy,
    key: idempotency?.key,
    digest: idempotency?.digest,
  }
}
