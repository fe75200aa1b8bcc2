import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK } from '../support/applicants.js'
import { nextEvent, subscribeTo } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AcknowledgeAlertDocument,
  AlertCursorDocument,
  AlertsDocument,
  ApplicantHistoryDocument,
  AuditEntriesDocument,
  type AuditEntriesQueryVariables,
  EraseApplicantDocument,
  HighRiskScoredDocument,
  HistoryDocument,
  HistoryWithOutcomesDocument,
  PredictionByIdDocument,
  PredictionByKeyDocument,
  PredictionWithFeaturesDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  RecordOutcomeDocument,
  RiskSummaryDocument,
  ViewerDocument,
} from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { score, scoreBatch } from '../support/stored.js'

let gateway: TestGateway
let tenants = 0
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

/** A new tenant: its callers, and functions that read its audit. */
async function newTenant() {
  const tenant = `tenant-${++tenants}`
  const [scorer, analyst, monitor, admin] = await Promise.all([
    gateway.as({ tenant, roles: ['SCORER'], subject: 'web-shop' }),
    gateway.as({ tenant, roles: ['ANALYST'], subject: 'analyst' }),
    gateway.as({ tenant, roles: ['MONITOR'], subject: 'monitor' }),
    gateway.as({ tenant, roles: ['ADMIN'], subject: 'auditor' }),
  ])
  const entries = async () => {
    const rows = await gateway.database.sql<{ action: string; subject: string; principal: string; details: unknown }[]>`
      select action, subject, principal, details from audit_entries where tenant = ${tenant} order by id`
    return [...rows]
  }
  const audit = async (variables: AuditEntriesQueryVariables = {}) =>
    (await admin.data(AuditEntriesDocument, variables)).auditEntries
  return { tenant, scorer, analyst, monitor, admin, entries, audit }
}

const DIGEST = expect.stringMatching(/^[0-9a-f]{64}$/)

describe('the audit records a read of personal data', () => {
  it('in single predictions, each by its id', async () => {
    const { scorer, analyst, entries } = await newTenant()
    const { id } = await score(scorer, 'one')
    await analyst.data(PredictionByIdDocument, { id })
    const read = { action: 'history.read', subject: id, principal: 'analyst', details: { operation: 'prediction', ids: [id] } }
    expect(await entries()).toEqual([read])
    await analyst.data(PredictionWithFeaturesDocument, { id })
    expect(await entries()).toEqual([
      read,
      read,
      { action: 'features.read', subject: id, principal: 'analyst', details: { ids: [id] } },
    ])
  })

  it('in several predictions of one operation, each by its id', async () => {
    const { scorer, analyst, entries } = await newTenant()
    const [a, b] = [await score(scorer, 'a'), await score(scorer, 'b')]
    await analyst.send({ query: `{ a: prediction(id: "${a.id}") { id } b: prediction(id: "${b.id}") { id } }` })
    expect((await entries()).map(({ subject }) => subject).sort()).toEqual([a.id, b.id].sort())
  })

  it('in a page, with the ids it showed and its filter, but no text from the caller', async () => {
    const { tenant, scorer, analyst, entries } = await newTenant()
    const [older, newer] = [await score(scorer, 'a'), await score(scorer, 'b')]
    const filter = { model: 'consumer-credit', highRisk: false, bands: ['T1', 'T1'], createdAt: { from: '2020-01-01T00:00:00Z' } }
    await analyst.data(HistoryDocument, { first: 5 })
    await analyst.data(HistoryDocument, { filter: filter as never })
    const [all, filtered] = await entries()
    expect(all).toMatchObject({ action: 'history.read', subject: tenant, details: { operation: 'predictions', filter: {} } })
    expect(all?.details).toMatchObject({ ids: [newer.id, older.id] })
    expect(filtered?.details).toMatchObject({
      filter: { model: DIGEST, highRisk: false, bands: ['T1'], createdAt: { from: '2020-01-01T00:00:00.000Z' } },
    })
  })

  it('of an applicant by a keyed digest of its reference, the same for every kind of request', async () => {
    const { tenant, scorer, analyst, admin, entries } = await newTenant()
    const { id } = await score(scorer, 'the-reference')
    await analyst.data(HistoryDocument, { filter: { applicantId: 'the-reference' } })
    await analyst.data(ApplicantHistoryDocument, { id: 'the-reference' })
    await admin.data(EraseApplicantDocument, { applicantId: 'the-reference' })
    const found = await entries()
    expect(found.map(({ action, details }) => [action, (details as { operation?: string }).operation])).toEqual([
      ['history.read', 'predictions'],
      ['history.read', 'applicant'],
      ['history.read', 'applicant.predictions'],
      ['applicant.erased', undefined],
    ])
    expect(new Set(found.map(({ subject }) => subject)).size).toBe(1)
    expect(found[1]?.details).toEqual({ operation: 'applicant', ids: [id] })
    expect(JSON.stringify(found)).not.toContain('the-reference')
    // The digest is not one without a key.
    const [unkeyed] = await gateway.database.sql<{ digest: string }[]>`
      select encode(sha256(convert_to(${JSON.stringify([tenant, 'the-reference'])}, 'UTF8')), 'hex') as digest`
    expect(found[0]?.subject).toMatch(/^[0-9a-f]{64}$/)
    expect(found[0]?.subject).not.toBe(unkeyed?.digest)
  })

  it('for each list that one large query showed', async () => {
    const { scorer, analyst, entries } = await newTenant()
    await scoreBatch(
      scorer,
      [1, 2, 3, 4, 5].map(n => application(`nested-${n}`)),
    )
    await analyst.data(HistoryWithOutcomesDocument, { first: 5 })
    const operations = (await entries()).map(({ details }) => (details as { operation?: string }).operation)
    expect(new Set(operations)).toEqual(new Set(['predictions', 'applicant', 'applicant.predictions']))
  })

  it('of each applicant in a batch that asks for their histories', async () => {
    const { scorer, audit } = await newTenant()
    const items = Array.from({ length: 40 }, (_, i) => application(`of-batch-${i}`))
    const query = `mutation($items: [PredictRiskInput!]!) {
      predictRiskBatch(input: { items: $items }) { results { prediction { id applicant { predictions(first: 3) { nodes { id } } } } } }
    }`
    type Results = { predictRiskBatch: { results: { prediction: { id: string } }[] } }
    const { data } = await scorer.send<Results>({ query, variables: { items } })
    for (const [i, { prediction }] of present(data).predictRiskBatch.results.entries()) {
      const { nodes } = await audit({ filter: { applicantId: `of-batch-${i}` } })
      expect(nodes).toMatchObject([{ action: 'history.read', principal: 'web-shop', details: { ids: [prediction.id] } }])
    }
  })

  it('in alerts, and in an outcome or acknowledgement that already existed, but not by an unused key', async () => {
    const { scorer, analyst, monitor, entries } = await newTenant()
    const { id } = await score(scorer, 'alerted', HIGH_RISK)
    await scorer.data(PredictionByKeyDocument, { key: 'never-used' })
    expect(await entries()).toEqual([])
    await monitor.data(AlertsDocument, {})
    await monitor.data(AcknowledgeAlertDocument, { id })
    await monitor.data(AcknowledgeAlertDocument, { id })
    const input = { predictionId: id, defaulted: true, observedAt: new Date().toISOString() }
    await analyst.data(RecordOutcomeDocument, { input })
    await analyst.data(RecordOutcomeDocument, { input })
    expect((await entries()).map(({ action, principal }) => [action, principal])).toEqual([
      ['alerts.read', 'monitor'],
      ['alert.acknowledged', 'monitor'],
      ['alerts.read', 'monitor'],
      ['outcome.recorded', 'analyst'],
      ['history.read', 'analyst'],
    ])
    expect((await entries())[0]?.details).toEqual({ operation: 'alerts', filter: {}, ids: [id] })
    expect(new Set((await entries()).slice(1).map(({ subject }) => subject))).toEqual(new Set([id]))
  })

  it('in a prediction that answers a retry, but not in a first answer or a refusal', async () => {
    const { scorer, entries } = await newTenant()
    const input = { ...application('retried'), idempotencyKey: 'one' }
    const first = await scorer.data(PredictRiskDocument, { input })
    await scorer.request(PredictRiskDocument, { input: { ...input, applicantId: 'another' } })
    expect(await entries()).toEqual([])
    await scorer.data(PredictRiskDocument, { input })
    await scorer.data(PredictRiskBatchDocument, { items: [application('new'), input] })
    const { id } = first.predictRisk.prediction
    const read = { action: 'history.read', subject: id, principal: 'web-shop', details: { operation: 'predictRisk', ids: [id] } }
    expect(await entries()).toEqual([read, read])
  })

  it('but has no entry if no personal data is shown', async () => {
    const { scorer, analyst, entries } = await newTenant()
    await score(scorer, 'scored')
    await analyst.data(ViewerDocument, {})
    await analyst.data(PredictionByIdDocument, { id: '01900000-0000-7000-8000-000000000001' })
    await analyst.data(ApplicantHistoryDocument, { id: 'nobody' })
    const range = { from: '2026-01-01T00:00:00Z', to: '2026-01-02T00:00:00Z' }
    await analyst.data(RiskSummaryDocument, { ...range, interval: 'DAY' } as never)
    expect(await entries()).toEqual([])
  })

  it.each(['sockets', 'eventStreams'] as const)('by a subscription over %s, once when it begins', async way => {
    const { scorer, monitor, entries } = await newTenant()
    const { alertCursor: after } = await monitor.data(AlertCursorDocument, {})
    const clients = monitor[way]()
    const events = subscribeTo(clients, HighRiskScoredDocument, {
      after,
      filter: { bands: ['T8', 'T7'], model: 'consumer-credit' },
    })
    for (const applicant of ['a', 'b', 'c']) await score(scorer, applicant, HIGH_RISK)
    for (let i = 0; i < 3; i++) await nextEvent(events)
    expect(await entries()).toEqual([
      {
        action: 'alerts.subscribed',
        subject: `tenant-${tenants}`,
        principal: 'monitor',
        details: { after, features: false, applicant: false, filter: { bands: ['T8', 'T7'], model: DIGEST } },
      },
    ])
    await events.return?.()
    if ('terminate' in clients) clients.terminate()
  })

  it('by a subscription to features and applicants, and says so', async () => {
    const { scorer, analyst, entries } = await newTenant()
    const sockets = analyst.sockets()
    const query =
      'subscription { highRiskScored { ...F } } fragment F on HighRiskAlert { prediction { features { name } applicant { id } } }'
    const events = sockets.iterate({ query })
    const first = events.next()
    await until(async () => (await entries()).length > 0)
    await score(scorer, 'featured', HIGH_RISK)
    await first
    expect(await entries()).toMatchObject([
      { action: 'alerts.subscribed', details: { after: null, features: true, applicant: true } },
    ])
    await events.return?.()
    sockets.terminate()
  })
})

describe('while the audit cannot be written', () => {
  it('no personal data is shown; afterwards it is again', async () => {
    await using broken = await startGateway()
    const { sql } = broken.database
    const scorer = await broken.as({ roles: ['SCORER'] })
    const admin = await broken.as({ roles: ['ADMIN'] })
    const { id } = await score(scorer, 'hidden', HIGH_RISK)
    await sql`alter table audit_entries add constraint broken check (false) not valid`
    const queries = [
      `{ prediction(id: "${id}") { applicantId } }`,
      '{ predictions { nodes { applicantId } } }',
      '{ applicant(id: "hidden") { id } }',
      '{ alerts { nodes { prediction { applicantId } } } }',
      '{ auditEntries { nodes { id } } }',
    ]
    for (const query of queries) {
      const { status, data, errors } = await admin.send({ query })
      expect({ query, status, code: errors?.[0]?.extensions.code }).toEqual({ query, status: 503, code: 'SERVICE_UNAVAILABLE' })
      expect(JSON.stringify(data ?? null)).not.toContain('hidden')
    }
    // A score needs no audit entry: the stored prediction is its own record.
    expect(await score(scorer, 'scored-meanwhile')).toMatchObject({ applicantId: 'scored-meanwhile' })
    await sql`alter table audit_entries drop constraint broken`
    for (const query of queries) expect((await admin.send({ query })).errors).toBeUndefined()
  })

  it('a retry gets no prediction, but a new application in the same batch gets its score', async () => {
    await using broken = await startGateway()
    const { sql } = broken.database
    const scorer = await broken.as({ roles: ['SCORER'] })
    const retried = { ...application('hidden'), idempotencyKey: 'one' }
    await scorer.data(PredictRiskDocument, { input: retried })
    await sql`alter table audit_entries add constraint broken check (false) not valid`
    const { data, errors } = await scorer.request(PredictRiskDocument, { input: retried })
    expect({ data: data ?? null, errors }).toMatchObject({
      data: null,
      errors: [{ extensions: { code: 'SERVICE_UNAVAILABLE' } }],
    })
    const { predictRiskBatch } = await scorer.data(PredictRiskBatchDocument, { items: [application('new'), retried] })
    expect(predictRiskBatch.results).toMatchObject([
      { prediction: { applicantId: 'new' }, errors: [] },
      { prediction: null, errors: [{ code: 'SERVICE_UNAVAILABLE' }] },
    ])
    await sql`alter table audit_entries drop constraint broken`
    expect((await scorer.data(PredictRiskDocument, { input: retried })).predictRisk.replayed).toBe(true)
  })

  it('only features are missing if just their entry fails', async () => {
    await using broken = await startGateway()
    const { sql } = broken.database
    const { id } = await score(await broken.as({ roles: ['SCORER'] }), 'half')
    await sql`alter table audit_entries add constraint broken check (action <> 'features.read') not valid`
    const analyst = await broken.as({ roles: ['ANALYST'] })
    const { data, errors } = await analyst.request(PredictionWithFeaturesDocument, { id })
    expect(data?.prediction).toMatchObject({ id, features: null })
    expect(errors).toMatchObject([{ path: ['prediction', 'features'], extensions: { code: 'SERVICE_UNAVAILABLE' } }])
  })

  it('a subscription sends no alert', async () => {
    await using broken = await startGateway()
    const { sql } = broken.database
    const scorer = await broken.as({ roles: ['SCORER'] })
    const monitor = await broken.as({ roles: ['MONITOR'] })
    const { alertCursor: after } = await monitor.data(AlertCursorDocument, {})
    await score(scorer, 'hidden', HIGH_RISK)
    await sql`alter table audit_entries add constraint broken check (false) not valid`
    const sockets = monitor.sockets()
    const subscribe = () => subscribeTo(sockets, HighRiskScoredDocument, { after })
    await expect(subscribe().next()).rejects.toMatchObject([{ extensions: { code: 'SERVICE_UNAVAILABLE' } }])
    await sql`alter table audit_entries drop constraint broken`
    const events = subscribe()
    expect((await nextEvent(events)).highRiskScored.prediction.applicantId).toBe('hidden')
    await events.return?.()
    sockets.terminate()
  })
})

describe('auditEntries', () => {
  it('lists the entries, newest first, and itself becomes an entry', async () => {
    const { tenant, scorer, analyst, audit, entries } = await newTenant()
    const { id } = await score(scorer, 'seen')
    await analyst.data(PredictionByIdDocument, { id })
    const { nodes } = await audit()
    expect(nodes).toMatchObject([
      { principal: 'analyst', action: 'history.read', subject: id, details: { operation: 'prediction', ids: [id] } },
    ])
    expect(Math.abs(Date.parse(present(nodes[0]).at) - Date.now())).toBeLessThan(60_000)
    expect(await entries()).toMatchObject([
      { action: 'history.read' },
      { action: 'audit.read', principal: 'auditor', subject: tenant, details: { filter: {}, ids: [present(nodes[0]).id] } },
    ])
    expect((await audit()).nodes.map(({ action }) => action)).toEqual(['audit.read', 'history.read'])
  })

  it('shows when each entry was sealed', async () => {
    const { audit } = await newTenant()
    await audit()
    await until(async () => (await audit({ last: 1 })).nodes[0]?.sealed === true)
    const { nodes } = await audit({ first: 1 })
    expect(nodes[0]).toMatchObject({ action: 'audit.read', sealed: false })
    const sealedAt = (await metric(gateway, 'riskgate_audit_last_seal_timestamp_seconds')) ?? 0
    expect(Math.abs(Date.now() / 1_000 - sealedAt)).toBeLessThan(60)
    for (const name of ['entries', 'seconds'])
      expect(await metric(gateway, `riskgate_audit_unsealed_${name}`)).toBeLessThan(1_000)
  })

  it('pages in both directions without gaps, also within entries of one millisecond', async () => {
    const { tenant, audit, entries } = await newTenant()
    await gateway.database.sql`
      insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
      select ${tenant}, timestamptz '2026-01-01 00:00Z' + (i / 10) * interval '1 ms', 'p-' || i % 2, 'outcome.recorded', i::text, '{}', 0, '0'
      from generate_series(1, 95) i`
    const wanted = Array.from({ length: 95 }, (_, i) => String(95 - i))
    const filter = { action: 'outcome.recorded' }
    for (const size of [7, 10, 95]) {
      const forward: string[] = []
      for (let after: string | null = null, more = true; more; ) {
        const page = await audit({ first: size, after, filter })
        forward.push(...page.nodes.map(({ subject }) => subject))
        more = page.pageInfo.hasNextPage
        after = page.pageInfo.endCursor
      }
      expect(forward).toEqual(wanted)
      const backward: string[] = []
      for (let before: string | null = null, more = true; more; ) {
        const page = await audit({ last: size, before, filter })
        backward.unshift(...page.nodes.map(({ subject }) => subject))
        more = page.pageInfo.hasPreviousPage
        before = page.pageInfo.startCursor
      }
      expect(backward).toEqual(wanted)
    }
    expect((await entries()).length).toBeGreaterThan(95)
  })

  it('filters by action, principal, applicant, subject and time', async () => {
    const { scorer, analyst, admin, audit } = await newTenant()
    const [a, b] = [await score(scorer, 'a'), await score(scorer, 'b')]
    await analyst.data(PredictionByIdDocument, { id: a.id })
    await admin.data(PredictionByIdDocument, { id: b.id })
    await analyst.data(ApplicantHistoryDocument, { id: 'a' })
    const listed = async (filter: AuditEntriesQueryVariables['filter']) =>
      (await audit({ filter })).nodes.map(({ principal, action, details }) => {
        const { operation } = details as { operation?: string }
        return [principal, action, operation ?? null]
      })
    const ofA = [
      ['analyst', 'history.read', 'applicant.predictions'],
      ['analyst', 'history.read', 'applicant'],
    ]
    const byId = ['analyst', 'history.read', 'prediction']
    expect(await listed({ applicantId: 'a' })).toEqual(ofA)
    expect(await listed({ applicantId: 'b' })).toEqual([])
    expect(await listed({ subject: a.id })).toEqual([byId])
    expect(await listed({ principal: 'analyst' })).toEqual([...ofA, byId])
    expect(await listed({ principal: 'analyst', action: 'features.read' })).toEqual([])
    expect(await listed({ applicantId: 'a', subject: a.id })).toEqual([])
    expect((await listed({ action: 'audit.read' })).length).toBe(6)
    const { nodes } = await audit({ filter: { subject: b.id } })
    const { at } = present(nodes[0])
    const next = new Date(Date.parse(at) + 1).toISOString()
    expect((await audit({ filter: { subject: b.id, at: { from: at, to: next } } })).nodes).toHaveLength(1)
    expect((await audit({ filter: { subject: b.id, at: { to: at } } })).nodes).toEqual([])
    expect((await audit({ filter: { subject: b.id, at: { from: next } } })).nodes).toEqual([])
    expect(
      (await audit({ filter: { at: { from: '0001-01-01T00:00:00Z', to: '9999-12-31T23:59:59Z' } } })).nodes.length,
    ).toBeGreaterThan(5)
  })

  it('shows a tenant no entry of another', async () => {
    const [one, other] = [await newTenant(), await newTenant()]
    const { id } = await score(one.scorer, 'shared')
    await one.analyst.data(PredictionByIdDocument, { id })
    await one.analyst.data(ApplicantHistoryDocument, { id: 'shared' })
    const filters = [{}, { subject: id }, { applicantId: 'shared' }, { principal: 'analyst' }, { subject: one.tenant }]
    for (const filter of filters) {
      const { nodes } = await other.audit({ filter })
      expect(nodes.filter(({ action }) => action !== 'audit.read')).toEqual([])
    }
    const { pageInfo } = await one.audit({ first: 1 })
    expect(pageInfo.endCursor).not.toBeNull()
    const { nodes } = await other.audit({ after: pageInfo.endCursor, first: 100 })
    expect(nodes.map(({ action }) => action).filter(action => action !== 'audit.read')).toEqual([])
  })

  it('refuses callers without the permission, and a cursor of another filter', async () => {
    const { analyst, scorer, monitor, audit, admin } = await newTenant()
    for (const client of [analyst, scorer, monitor]) {
      const { errors } = await client.request(AuditEntriesDocument, {})
      expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    }
    await audit()
    await audit()
    const { pageInfo } = await audit({ first: 1 })
    const after = present(pageInfo.endCursor)
    for (const variables of [
      { after, filter: { action: 'audit.read' } },
      { after: after.slice(0, -2) },
      { after: 'x' },
      { before: '' },
    ]) {
      const { errors } = await admin.request(AuditEntriesDocument, variables)
      expect(errors?.[0]?.extensions.code).toBe('BAD_CURSOR')
    }
    for (const first of [0, 101]) {
      expect((await admin.request(AuditEntriesDocument, { first })).errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    }
  })
})
