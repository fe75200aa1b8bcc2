import { describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { PredictRiskDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'
import { score } from '../support/stored.js'

const REFUSAL = `create function refuse() returns trigger language plpgsql as $$ begin raise 'no'; end $$`

async function readiness({ url }: TestGateway) {
  const answer = await fetch(`${url}/readyz`)
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons }
}

async function sendRefused(gateway: TestGateway, applicantId: string) {
  const scorer = await gateway.as({ roles: ['SCORER'] })
  const input = { applicantId, features: { consumerCredit: HIGH_RISK } }
  expect((await scorer.request(PredictRiskDocument, { input })).errors).toHaveLength(1)
}

describe('a gateway whose scores are refused', () => {
  it.each([
    [
      'trigger',
      'P0001',
      `${REFUSAL}; create trigger refuse before insert on alerts for each row execute function refuse()`,
      true,
    ],
    ['constraint', '23514', 'alter table alerts add constraint refuse check (false) not valid', false],
  ])(
    'is not ready while a %s refuses each high-risk score (%s), and leaves no row behind',
    async (_what, code, refuse, isFilled) => {
      await using database = await createTestDatabase()
      await using gateway = await startGateway({}, database)
      if (isFilled) await score(await gateway.as({ roles: ['SCORER'] }), 'taken', HIGH_RISK)
      await database.sql.unsafe(refuse)
      for (const applicant of ['a', 'b', 'c']) await sendRefused(gateway, applicant)
      await until(async () => (await readiness(gateway)).status === 503)
      expect((await readiness(gateway)).reasons).toEqual([
        `Postgres would not store a high-risk score: a trigger or a constraint refuses it (${code})`,
      ])
      expect(await database.sql`select from predictions`).toHaveLength(isFilled ? 1 : 0)
    },
  )

  it('stays ready when only the rows of some callers are refused', async () => {
    await using database = await createTestDatabase()
    await using gateway = await startGateway({}, database)
    const scorer = await gateway.as({ roles: ['SCORER'] })
    await score(scorer, 'good', LOW_RISK)
    await database.sql.unsafe(`alter table predictions add constraint odd check (applicant_id not like 'bad%')`)
    for (const applicant of ['bad-1', 'bad-2', 'bad-3', 'bad-4']) await sendRefused(gateway, applicant)
    const trials = async () =>
      (await database.sql`select from pg_stat_user_tables where relname = 'alerts' and n_dead_tup > 0`).length
    // The trial has run once its dead row shows.
    await until(async () => (await readiness(gateway)).status === 200 && (await trials()) > 0, 20_000)
    expect(await readiness(gateway)).toEqual({ status: 200, reasons: [] })
    expect(await database.sql`select from predictions`).toHaveLength(1)
  }, 30_000)
})
