import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { AlertStore } from '../../src/storage/alerts/alertStore.js'
import { refusedWith, settled } from '../support/alertPages.js'
import { HIGH_RISK } from '../support/applicants.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { AlertCursorDocument, AlertsDocument, AlertsRaisedDocument } from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { score } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

const EXPIRED = { code: 'CURSOR_EXPIRED', status: 410 }

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway({ RISKGATE_ALERT_RETENTION_DAYS: '8' })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const age = (days: number, ids: readonly string[]) => gateway.database.sql`
  update alerts set raised_at = now() - make_interval(days => ${days}) where prediction_id in ${gateway.database.sql(ids)}`

describe('alerts older than the retention', () => {
  it('are removed by the running gateway; younger ones stay, and old cursors are CURSOR_EXPIRED', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'aged' })
    const { alertCursor } = await client.data(AlertCursorDocument, {})
    const ids: string[] = []
    for (const applicant of ['a', 'b', 'c']) ids.push((await score(client, applicant, HIGH_RISK)).id)
    await settled(client, 3)
    const { nodes } = (await client.data(AlertsDocument, {})).alerts
    await age(9, ids.slice(0, 2))
    await age(7, ids.slice(2))
    await settled(client, 1)
    expect((await client.data(AlertsDocument, {})).alerts.nodes.map(({ id }) => id)).toEqual(ids.slice(2))
    for (const cursor of [alertCursor, present(nodes[0]).cursor]) {
      expect(await refusedWith(client, AlertsDocument, { after: cursor })).toMatchObject(EXPIRED)
      expect(await refusedWith(client, AlertsDocument, { before: cursor })).toMatchObject(EXPIRED)
      await using refused = subscribe(client, AlertsRaisedDocument, { after: cursor })
      await expect(refused.next()).rejects.toThrow('CURSOR_EXPIRED')
    }
    await using resumed = subscribe(client, AlertsRaisedDocument, { after: present(nodes[1]).cursor })
    expect((await resumed.next()).highRiskScored.id).toBe(ids[2])
  })

  it('end a subscription that has not read them yet with CURSOR_EXPIRED', async () => {
    const client = await gateway.as({ roles: ['ADMIN'], tenant: 'overtaken' })
    const { alertCursor: after } = await client.data(AlertCursorDocument, {})
    await score(client, 'a', HIGH_RISK)
    await settled(client, 1)
    const check = AlertStore.prototype.check
    // The alerts become too old just after the cursor was accepted.
    vi.spyOn(AlertStore.prototype, 'check').mockImplementationOnce(async function (this: AlertStore, cursor) {
      await check.call(this, cursor)
      await gateway.database.sql`update alerts set raised_at = now() - interval '9 days'`
      await settled(client, 0)
    })
    await using overtaken = subscribe(client, AlertsRaisedDocument, { after })
    await expect(overtaken.next()).rejects.toMatchObject([{ extensions: { code: 'CURSOR_EXPIRED' } }])
    vi.restoreAllMocks()
  })
})
