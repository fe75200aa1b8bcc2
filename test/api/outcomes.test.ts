import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { OutcomeDocument, RecordOutcomeDocument, RecordOutcomesDocument } from '../support/generated/operations.js'
import { score, scoreBatch } from '../support/stored.js'

let gateway: TestGateway
let shop: GraphqlClient
let otherShop: GraphqlClient
let analyst: GraphqlClient
let stranger: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway()
  shop = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
  otherShop = await gateway.as({ roles: ['SCORER'], subject: 'other-shop' })
  analyst = await gateway.as({ roles: ['ANALYST'], subject: 'risk-desk' })
  stranger = await gateway.as({ roles: ['ADMIN'], subject: 'shop', tenant: 'other-bank' })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const fromNow = (milliseconds: number) => new Date(Date.now() + milliseconds).toISOString()
const outcomeOf = async (client: GraphqlClient, id: string) => (await client.data(OutcomeDocument, { id })).prediction?.outcome
const audited = () =>
  gateway.database.sql<{ subject: string }[]>`select subject from audit_entries where action = 'outcome.recorded' order by id`

async function record(client: GraphqlClient, predictionId: string, defaulted: boolean, observedAt = fromNow(0)) {
  const { status, data, errors } = await client.request(RecordOutcomeDocument, { input: { predictionId, defaulted, observedAt } })
  return { status, prediction: data?.recordOutcome?.prediction, error: errors?.[0], observedAt }
}

describe('recordOutcome', () => {
  it('answers with the prediction and its new outcome, visible to all who see the prediction', async () => {
    const prediction = await score(shop, 'o-1')
    expect(await outcomeOf(shop, prediction.id)).toBeNull()
    const first = await record(shop, prediction.id.toUpperCase(), true)
    const outcome = { defaulted: true, observedAt: first.observedAt, recordedBy: 'shop' }
    expect(first.prediction).toEqual({ ...prediction, outcome })
    for (const client of [shop, analyst]) expect(await outcomeOf(client, prediction.id)).toEqual(outcome)
  })

  it('can be corrected by a later call of any permitted caller, and a repeat changes nothing', async () => {
    const { id } = await score(shop, 'o-2')
    const { observedAt } = await record(shop, id, true)
    const corrected = { defaulted: false, observedAt, recordedBy: 'risk-desk' }
    expect((await record(analyst, id, false, observedAt)).prediction?.outcome).toEqual(corrected)
    const lines = await audited()
    expect((await record(shop, id, false, observedAt)).prediction?.outcome).toEqual(corrected)
    expect(await audited()).toEqual(lines)
    expect(lines.filter(({ subject }) => subject === id)).toHaveLength(2)
  })

  it('answers NOT_FOUND alike for a hidden prediction, an unknown id and a text that is not an id', async () => {
    const { id } = await score(shop, 'o-3')
    const answers = []
    for (const client of [otherShop, stranger]) answers.push(await record(client, id, true))
    for (const absent of [randomUUID(), '', 'no-uuid', `{${id}}`, '\u0000']) answers.push(await record(analyst, absent, true))
    for (const { status, prediction, error } of answers) {
      expect({ status, prediction, error }).toEqual({ status: 404, prediction: undefined, error: answers[0]?.error })
      expect(error?.extensions).toMatchObject({ code: 'NOT_FOUND', problems: [{ path: ['predictionId'] }] })
    }
    expect(await outcomeOf(shop, id)).toBeNull()
  })

  it('refuses an outcome from before the prediction, and one more than a minute in the future', async () => {
    const { id, createdAt } = await score(shop, 'o-4')
    const before = new Date(Date.parse(String(createdAt)) - 1).toISOString()
    for (const observedAt of [before, fromNow(65_000), '0000-01-01T00:00:00Z', '9999-12-31T23:59:59Z']) {
      const { status, error } = await record(shop, id, true, observedAt)
      expect(status).toBe(400)
      expect(error?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', problems: [{ path: ['observedAt'] }] })
      expect(error?.message).not.toContain(observedAt)
    }
    expect(await outcomeOf(shop, id)).toBeNull()
    expect((await record(shop, id, true, fromNow(50_000))).status).toBe(200)
    expect((await record(shop, id, true, String(createdAt))).status).toBe(200)
  })

  it('shows two calls in one operation each with its own outcome', async () => {
    const { id } = await score(shop, 'o-5')
    const at = fromNow(0)
    const one = (name: string, defaulted: boolean) =>
      `${name}: recordOutcome(input: { predictionId: "${id}", defaulted: ${defaulted}, observedAt: "${at}" }) { prediction { outcome { defaulted } } }`
    const { data } = await shop.send({ query: `mutation { ${one('a', true)} ${one('b', false)} }` })
    const answer = (defaulted: boolean) => ({ prediction: { outcome: { defaulted } } })
    expect(data).toEqual({ a: answer(true), b: answer(false) })
  })

  it.each([
    ['shown', 'ANALYST', { outcome: { defaulted: true } }, undefined],
    ['the only refused field', 'MONITOR', { outcome: null }, [{ extensions: { code: 'FORBIDDEN' } }]],
  ] as const)('is %s over the subscription, for %s', async (_what, role, shown, errors) => {
    const listener = await gateway.as({ roles: [role], subject: 'watch' })
    const { alertCursor } = (await listener.send<{ alertCursor: string }>({ query: '{ alertCursor }' })).data ?? {}
    const { id } = await score(shop, `o-6-${role}`, HIGH_RISK)
    await record(shop, id, true)
    const sockets = listener.sockets()
    const events = sockets.iterate<{ highRiskScored: unknown }>({
      query: 'subscription ($after: String) { highRiskScored(after: $after) { prediction { id outcome { defaulted } } } }',
      variables: { after: alertCursor },
    })
    const { value } = await events.next()
    expect(value?.data).toEqual({ highRiskScored: { prediction: { id, ...shown } } })
    if (errors) expect(value?.errors).toMatchObject(errors)
    else expect(value?.errors).toBeUndefined()
    await events.return?.()
    await sockets.dispose()
  })

  it('gives each row of a page its own outcome', async () => {
    const scored = await scoreBatch(
      shop,
      Array.from({ length: 50 }, () => application('o-7')),
    )
    await shop.data(RecordOutcomesDocument, {
      items: scored.map(({ id }, i) => ({ predictionId: id, defaulted: i % 2 === 0, observedAt: fromNow(0) })),
    })
    const query = '{ predictions(first: 50, filter: { applicantId: "o-7" }) { nodes { id outcome { defaulted } } } }'
    const { data } = await analyst.send<{ predictions: { nodes: unknown[] } }>({ query })
    expect(data?.predictions.nodes).toEqual(scored.map(({ id }, i) => ({ id, outcome: { defaulted: i % 2 === 0 } })).reverse())
  })
})

describe('recordOutcomes', () => {
  it('answers in order, each row with its prediction or its problems', async () => {
    const mine = await scoreBatch(shop, [application('b-1'), application('b-2'), application('b-3')])
    const theirs = await score(otherShop, 'b-4')
    const observedAt = fromNow(0)
    const item = (predictionId: string, change = {}) => ({ predictionId, defaulted: true, observedAt, ...change })
    const [first, second, third] = mine.map(({ id }) => id) as [string, string, string]
    const items = [
      item(first),
      item('no-uuid'),
      item(second, { observedAt: fromNow(70_000) }),
      item(first.toUpperCase(), { defaulted: false }),
      item(theirs.id),
      item(third, { defaulted: false }),
      item(randomUUID()),
    ]
    const { recordOutcomes } = await shop.data(RecordOutcomesDocument, { items })
    const recorded = (id: string, defaulted: boolean) => ({
      prediction: { id, outcome: { defaulted, observedAt, recordedBy: 'shop' } },
      errors: [],
    })
    const refused = (code: string, path: string) => ({ prediction: null, errors: [{ code, path: [path] }] })
    expect(recordOutcomes.results).toMatchObject(
      [
        recorded(first, true),
        refused('NOT_FOUND', 'predictionId'),
        refused('BAD_USER_INPUT', 'observedAt'),
        refused('BAD_USER_INPUT', 'predictionId'),
        refused('NOT_FOUND', 'predictionId'),
        recorded(third, false),
        refused('NOT_FOUND', 'predictionId'),
      ].map((result, index) => ({ index, ...result })),
    )
    expect(await outcomeOf(shop, first)).toMatchObject({ defaulted: true })
    expect(await outcomeOf(shop, second)).toBeNull()
    expect(await outcomeOf(otherShop, theirs.id)).toBeNull()
  })

  it('accepts 1 to 1,000 outcomes', async () => {
    const parts = await Promise.all(
      Array.from({ length: 10 }, () =>
        scoreBatch(
          shop,
          Array.from({ length: 100 }, () => application('many')),
        ),
      ),
    )
    const items = parts.flat().map(({ id }, i) => ({ predictionId: id, defaulted: i % 4 === 0, observedAt: fromNow(0) }))
    const { recordOutcomes } = await shop.data(RecordOutcomesDocument, { items })
    expect(recordOutcomes.results.map(({ prediction }) => prediction?.outcome?.defaulted)).toEqual(
      items.map(({ defaulted }) => defaulted),
    )
    for (const wrong of [[], [...items, ...items.slice(0, 1)]]) {
      const { status, errors } = await shop.request(RecordOutcomesDocument, { items: wrong })
      expect(status).toBe(400)
      expect(errors).toMatchObject([{ extensions: { code: 'BAD_USER_INPUT', problems: [{ path: ['items'] }] } }])
    }
  })

  it('answers each row that could not be recorded with the reason', async () => {
    const [first, second] = await scoreBatch(shop, [application('c-1'), application('c-2')])
    const { sql } = gateway.database
    const other = await sql.reserve()
    await other`begin`
    await other`select from predictions where id = ${first?.id ?? ''} for update`
    const items = [first?.id, second?.id, 'no-uuid'].map((id = '') => ({
      predictionId: id,
      defaulted: true,
      observedAt: fromNow(0),
    }))
    const { recordOutcomes } = await shop.data(RecordOutcomesDocument, { items })
    await other`rollback`
    other.release()
    expect(recordOutcomes.results.map(({ errors }) => errors[0]?.code)).toEqual([
      'SERVICE_UNAVAILABLE',
      'SERVICE_UNAVAILABLE',
      'NOT_FOUND',
    ])
    expect(await outcomeOf(shop, first?.id ?? '')).toBeNull()
  })
})
