import { uuidv7 } from 'uuidv7'
import type { Connections } from '../postgres/database.js'
import { INSERT_PREDICTIONS } from './insertPredictions.js'

// Where nothing is stored yet. Otherwise the row is a copy of one that the database has taken before: a trigger of the operator may know
// tenants and models.
const FIRST_ROW = {
  tenant: 'default',
  applicant_id: 'trial',
  model: 'trial',
  model_version: '1',
  probability: 0.9,
  band: 8,
  features: {},
  requested_by: 'trial',
}

/**
 * Stores a high-risk score and takes it back, in one statement. It leaves a dead row in each table, so it is for a gateway whose scores
 * are refused. Rejects with the error that a score would get.
 */
export async function tryRow(sql: Connections['sql']): Promise<void> {
  const own = JSON.stringify({ id: uuidv7(), high_risk: true, created_at: new Date() })
  await sql.unsafe(`do $trial$
    declare rows text;
    begin
      select json_build_array(coalesce((select to_jsonb(taken) from (select * from predictions limit 1) taken),
        '${JSON.stringify(FIRST_ROW)}') || '${own}')::text into rows;
      execute $insert$${INSERT_PREDICTIONS}$insert$ using rows;
      raise using errcode = 'RGTRY';
    exception when sqlstate 'RGTRY' then null;
    end $trial$`)
}
