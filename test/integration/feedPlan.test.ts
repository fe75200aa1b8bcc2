import { and, isNotNull, type SQL } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAlertCursor } from '../../src/storage/alerts/alertCursor.js'
import { behind, ofTenant, refusalOf, SETTLED, selectAlerts } from '../../src/storage/alerts/alertQuery.js'
import { predictions } from '../../src/storage/tables/predictions.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { newPrediction, openStores, type TestStores } from '../support/stores.js'

const ROWS = 20_000

interface PlanNode {
  readonly 'Relation Name'?: string
  readonly 'Actual Rows': number
  readonly 'Actual Loops': number
  readonly 'Rows Removed by Filter'?: number
  readonly Plans?: readonly PlanNode[]
}

/** How many rows of a table a plan read; a partition counts as its table. */
function touched(node: PlanNode, table: string): number {
  const here = node['Relation Name']?.startsWith(table)
    ? (node['Actual Rows'] + (node['Rows Removed by Filter'] ?? 0)) * node['Actual Loops']
    : 0
  return (node.Plans ?? []).reduce((sum, child) => sum + touched(child, table), here)
}

describe('reading a large feed', () => {
  let database: TestDatabase
  let stores: TestStores
  let place: ReturnType<typeof parseAlertCursor>

  beforeAll(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    const { id } = newPrediction().prediction
    const { sql } = database
    // The planner has no statistics about the alerts, as after a sudden flood.
    await sql`alter table alerts set (autovacuum_enabled = off)`
    await sql`
      insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
      select (${id.slice(0, 15)} || substr(md5(i::text), 1, 3) || '-8' || substr(md5(i::text), 4, 3) || '-' || lpad(to_hex(i), 12, '0'))::uuid,
        't' || (i % 2), 'a', 'consumer-credit', '2', 0.7, 7, true, now(), 'x'
      from generate_series(1, ${ROWS}) i`
    await sql`
      insert into alerts (prediction_id, tenant, epoch, xid, raised_at)
      select id, tenant, 1, pg_current_xact_id(), now() from predictions`
    const [first] = await stores.alerts.read({ after: `${(await stores.alerts.now()).slice(0, 12)}${'0'.repeat(28)}`, limit: 1 })
    place = parseAlertCursor(present(first).cursor)
  })
  afterAll(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  const cases: [what: string, size: number, where: () => SQL | undefined, backward: boolean][] = [
    ['the next alerts of all tenants', 500, () => undefined, false],
    ['a page of a tenant', 21, () => ofTenant('t1'), false],
    ['the last page of a tenant', 21, () => ofTenant('t1'), true],
  ]

  async function planOf(size: number, where: SQL | undefined, backward: boolean): Promise<PlanNode> {
    return stores.database.read(async ({ db }) => {
      const { sql: text, params } = selectAlerts(db, {
        where: and(where, behind(place), SETTLED),
        rows: size === 500 ? size : 1_000,
        matching: isNotNull(predictions.id),
        backward,
        limit: size,
        refusal: refusalOf(place),
      }).toSQL()
      const [row] = await database.sql.unsafe(`explain (analyze, format json) ${text}`, params as string[])
      return (present(row)['QUERY PLAN'] as [{ Plan: PlanNode }])[0].Plan
    })
  }

  it.each(cases)('touches little more than it returns, with and without statistics: %s', async (_what, size, where, backward) => {
    for (const isAnalyzed of [false, true]) {
      if (isAnalyzed) await database.sql`analyze`
      const plan = await planOf(size, where(), backward)
      expect(plan['Actual Rows']).toBe(size)
      // Half of the alerts belong to another tenant, and a planner that knows it may read past as many.
      expect(touched(plan, 'alerts')).toBeLessThanOrEqual(3 * size)
      expect(touched(plan, 'predictions')).toBeLessThanOrEqual(size)
    }
  })

  it('touches only open alerts if nearly all are acknowledged, whatever the statistics say', async () => {
    await database.sql`analyze`
    // The statistics still say that all alerts are open.
    await database.sql`update alerts set acknowledged_at = now() where seq % 1001 <> 0`
    for (const isAnalyzed of [false, true]) {
      if (isAnalyzed) await database.sql`analyze`
      for (const backward of [false, true]) {
        const plan = await planOf(21, ofTenant('t1', { acknowledged: false }), backward)
        expect(plan['Actual Rows']).toBe(10)
        expect(touched(plan, 'alerts')).toBe(10)
      }
    }
  })

  it('touches only the alerts of a tenant with few, even if the statistics say that all are its own', async () => {
    await database.sql`update alerts set tenant = 't1' where tenant = 't0'`
    await database.sql`analyze`
    await database.sql`update alerts set tenant = 't0' where seq % 1001 <> 0 or seq % 2 = 0`
    for (const isAnalyzed of [false, true]) {
      if (isAnalyzed) await database.sql`analyze`
      for (const backward of [false, true]) {
        const plan = await planOf(21, ofTenant('t1'), backward)
        expect(plan['Actual Rows']).toBe(10)
        expect(touched(plan, 'alerts')).toBe(10)
      }
    }
  })
})
