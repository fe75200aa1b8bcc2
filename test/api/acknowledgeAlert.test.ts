import { uuidv7 } from 'uuidv7'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { refusedWith, settled } from '../support/alertPages.js'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AcknowledgeAlertDocument,
  AlertCursorDocument,
  AlertsDocument,
  AlertsRaisedDocument,
} from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { score, scoreBatch } from '../support/stored.js'
import { subscribe } from '../support/subscription.js'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** A new tenant with a client that scores and two that handle its alerts. */
async function tenantOf(tenant: string) {
  const scorer = await gateway.as({ roles: ['SCORER'], tenant })
  const [ann, bob] = [
    await gateway.as({ roles: ['MONITOR'], subject: 'ann', tenant }),
    await gateway.as({ roles: ['ADMIN'], subject: 'bob', tenant }),
  ]
  return { scorer, ann, bob }
}

describe('acknowledgeAlert', () => {
  it('shows who acknowledged and when, in its answer, in pages and in the subscription', async () => {
    const { scorer, ann } = await tenantOf('once')
    const after = (await ann.data(AlertCursorDocument, {})).alertCursor
    const { id } = await score(scorer, 'a', HIGH_RISK)
    await settled(ann, 1)
    const startedAt = Date.now()
    const { alert } = (await ann.data(AcknowledgeAlertDocument, { id })).acknowledgeAlert
    expect(alert).toMatchObject({ id, acknowledgedBy: 'ann', prediction: { id } })
    const at = Date.parse(present(alert.acknowledgedAt))
    expect(at).toBeGreaterThanOrEqual(startedAt)
    expect(at).toBeLessThanOrEqual(Date.now())
    expect((await ann.data(AlertsDocument, {})).alerts.nodes).toEqual([alert])
    await using alerts = subscribe(ann, AlertsRaisedDocument, { after })
    expect((await alerts.next()).highRiskScored).toEqual(alert)
  })

  it('keeps the first acknowledgement, and answers every later call with it', async () => {
    const { scorer, ann, bob } = await tenantOf('twice')
    const { id } = await score(scorer, 'a', HIGH_RISK)
    const first = await ann.data(AcknowledgeAlertDocument, { id })
    expect(await bob.data(AcknowledgeAlertDocument, { id: id.toUpperCase() })).toEqual(first)
    expect(await ann.data(AcknowledgeAlertDocument, { id })).toEqual(first)
  })

  it('gives many calls at once the same answer', async () => {
    const { scorer, ann, bob } = await tenantOf('at-once')
    const { id } = await score(scorer, 'a', HIGH_RISK)
    const answers = await Promise.all(
      Array.from({ length: 20 }, (_, i) => (i % 2 ? ann : bob).data(AcknowledgeAlertDocument, { id })),
    )
    expect(new Set(answers.map(answer => JSON.stringify(answer))).size).toBe(1)
    expect(answers[0]?.acknowledgeAlert.alert.acknowledgedAt).toEqual(expect.any(String))
  })

  it('is NOT_FOUND for an alert of another tenant just as for an unknown id, and changes nothing', async () => {
    const [here, there] = [await tenantOf('ack-here'), await tenantOf('ack-there')]
    const high = await score(here.scorer, 'a', HIGH_RISK)
    const low = await score(there.scorer, 'a', LOW_RISK)
    const refusals = await Promise.all(
      [high.id, low.id, uuidv7(), 'canary', ''].map(id => refusedWith(there.ann, AcknowledgeAlertDocument, { id })),
    )
    for (const refusal of refusals) expect(refusal).toEqual(refusals[0])
    expect(refusals[0]).toMatchObject({ code: 'NOT_FOUND', status: 404 })
    await settled(here.ann, 1)
    const { nodes } = (await here.ann.data(AlertsDocument, {})).alerts
    expect(nodes).toMatchObject([{ id: high.id, acknowledgedAt: null, acknowledgedBy: null }])
  })

  it('is SERVICE_UNAVAILABLE and changes nothing while the alert is locked, and works when sent again', async () => {
    const { scorer, ann } = await tenantOf('locked')
    const { id } = await score(scorer, 'a', HIGH_RISK)
    const other = await gateway.database.sql.reserve()
    await other`begin`
    await other`select from alerts where prediction_id = ${id} for update`
    const refusal = await refusedWith(ann, AcknowledgeAlertDocument, { id })
    expect(refusal).toMatchObject({ code: 'SERVICE_UNAVAILABLE', status: 503, retryable: true })
    await other`rollback`
    expect(await other`select acknowledged_at from alerts where prediction_id = ${id}`).toEqual([{ acknowledged_at: null }])
    other.release()
    expect((await ann.data(AcknowledgeAlertDocument, { id })).acknowledgeAlert.alert.acknowledgedBy).toBe('ann')
  })

  it('splits the feed by the filter `acknowledged`, as a page and as a subscription', async () => {
    const { scorer, ann } = await tenantOf('split')
    const after = (await ann.data(AlertCursorDocument, {})).alertCursor
    const ids: string[] = []
    for (const applicant of ['a', 'b', 'c', 'd']) ids.push((await score(scorer, applicant, HIGH_RISK)).id)
    await settled(ann, 4)
    for (const id of [ids[0], ids[2]]) await ann.data(AcknowledgeAlertDocument, { id: present(id) })
    const pageOf = async (acknowledged: boolean) =>
      (await ann.data(AlertsDocument, { filter: { acknowledged } })).alerts.nodes.map(({ id }) => id)
    expect(await pageOf(true)).toEqual([ids[0], ids[2]])
    expect(await pageOf(false)).toEqual([ids[1], ids[3]])
    for (const acknowledged of [true, false]) {
      await using alerts = subscribe(ann, AlertsRaisedDocument, { after, filter: { acknowledged } })
      const heard = [await alerts.next(), await alerts.next()].map(({ highRiskScored }) => highRiskScored.id)
      expect(heard).toEqual(await pageOf(acknowledged))
    }
  })

  it('leaves open alerts reachable by a small page, however many acknowledged ones come before them', async () => {
    const { scorer, ann } = await tenantOf('reach')
    await scoreBatch(
      scorer,
      Array.from({ length: 60 }, (_, i) => application(`done-${i}`, HIGH_RISK)),
    )
    await gateway.database.sql`update alerts set acknowledged_at = now(), acknowledged_by = 'x' where tenant = 'reach'`
    const { id } = await score(scorer, 'open', HIGH_RISK)
    await settled(ann, 61)
    const { alerts } = await ann.data(AlertsDocument, { first: 1, filter: { acknowledged: false } })
    expect(alerts.nodes.map(node => node.id)).toEqual([id])
    expect(alerts.pageInfo.hasNextPage).toBe(false)
    const acknowledgedLast = { last: 1, before: alerts.nodes[0]?.cursor ?? '', filter: { acknowledged: true } }
    expect((await ann.data(AlertsDocument, acknowledgedLast)).alerts.nodes).toHaveLength(1)
  })
})
