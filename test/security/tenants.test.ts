import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { fillHistory } from '../support/historyRows.js'
import { metric } from '../support/metrics.js'
import { present, until } from '../support/process.js'
import { REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { score } from '../support/stored.js'

const ALERTS = 20

let redis: TestRedis | undefined
let gateway: TestGateway
beforeAll(async () => {
  redis = REDIS_SERVER ? await startRedis() : undefined
  gateway = await startGateway({
    ...(redis && { REDIS_URL: redis.url }),
    RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
    RISKGATE_RATE_LIMIT_TENANT: '0',
  })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

/** Two clients with the same name and role, in two tenants. */
const inBoth = async (role: 'ADMIN' | 'ANALYST') =>
  [await gateway.as({ roles: [role] }), await gateway.as({ roles: [role], tenant: 'other-bank' })] as const

async function dataOf<Data>(client: GraphqlClient, query: string, variables = {}): Promise<Data> {
  const { data, errors } = await client.send<Data>({ query, variables })
  if (errors || !data) throw new Error(`The request failed: ${JSON.stringify(errors)}`)
  return data
}

const cursorOfNow = async (client: GraphqlClient) =>
  (await dataOf<{ alertCursor: string }>(client, '{ alertCursor }')).alertCursor

interface Event {
  readonly data?: { readonly highRiskScored: { readonly prediction: Record<string, unknown> & { readonly id: string } } } | null
  readonly errors?: readonly { path?: readonly unknown[]; extensions?: Record<string, unknown> }[]
}

describe('two tenants', () => {
  it('get no alert of each other, over any transport, even if both subscribe with the same document', async () => {
    const [ours, theirs] = await inBoth('ADMIN')
    const after = await cursorOfNow(ours)
    const query =
      'subscription ($after: String) { highRiskScored(after: $after) { prediction { id applicant { latestPrediction { id } } } } }'
    const connections = [ours, theirs].map(client => [client.sockets(), client.eventStreams()])
    const heard = connections.map(both =>
      both.flatMap(connection => [
        heardBy(connection.iterate({ query })),
        heardBy(connection.iterate({ query, variables: { after } })),
      ]),
    )
    await until(async () => (await metric(gateway, 'riskgate_alert_subscribers')) === heard.flat().length)
    const scored: string[][] = [[], []]
    for (let i = 0; i < ALERTS; i++) {
      for (const [tenant, client] of [ours, theirs].entries()) scored[tenant]?.push((await score(client, 'heard', HIGH_RISK)).id)
    }
    for (const [tenant, streams] of heard.entries()) {
      for (const predictions of await Promise.all(streams)) {
        expect(predictions.map(({ id }) => id)).toEqual(scored[tenant])
        // The latest prediction is read when the alert is sent, once for all subscribers that share the execution.
        const newest = predictions.map(({ applicant }) => applicant.latestPrediction.id)
        expect(scored[tenant]).toEqual(expect.arrayContaining(newest))
      }
    }
    for (const connection of connections.flat()) await connection.dispose()
  })

  interface Heard {
    readonly id: string
    readonly applicant: { readonly latestPrediction: { readonly id: string } }
  }

  async function heardBy(stream: AsyncIterator<unknown>): Promise<Heard[]> {
    const predictions: Heard[] = []
    while (predictions.length < ALERTS) {
      const { value } = await stream.next()
      predictions.push((value as { data: { highRiskScored: { prediction: Heard } } }).data.highRiskScored.prediction)
    }
    return predictions
  }

  it('each get their own latest prediction of the same reference from the shared cache', async () => {
    const [ours, theirs] = await inBoth('ANALYST')
    const scorers = await inBoth('ADMIN')
    const query = '{ applicant(id: "shared") { latestPrediction { id band } predictions { total { count } } } }'
    for (let i = 1; i <= 5; i++) {
      const [here, there] = [await score(scorers[0], 'shared', LOW_RISK), await score(scorers[1], 'shared', HIGH_RISK)]
      for (let again = 0; again < 3; again++) {
        const latest = ({ id, band }: { id: string; band: string }) => ({
          applicant: { latestPrediction: { id, band }, predictions: { total: { count: i } } },
        })
        expect(await dataOf(ours, query)).toEqual(latest(here))
        expect(await dataOf(theirs, query)).toEqual(latest(there))
      }
    }
  })

  it('each get their own answers from one prepared operation, also at the same moment', async () => {
    const clients = await inBoth('ADMIN')
    const ids = await Promise.all(clients.map(async client => (await score(client, 'prepared')).id))
    const query = `query ($id: ID!) { viewer { tenant } prediction(id: $id) { id features { name } applicant { predictions { nodes { id } } } } }`
    const answers = Array.from({ length: 60 }, (_, i) => i).map(async i => {
      const [client, id] = [clients[i % 2] as GraphqlClient, ids[Math.floor(i / 2) % 2]]
      return {
        mine: i % 2 === Math.floor(i / 2) % 2,
        id,
        text: JSON.stringify(await dataOf(client, query, { id })),
        tenant: i % 2,
      }
    })
    for (const { mine, id, text, tenant } of await Promise.all(answers)) {
      expect(text).toContain(tenant === 0 ? '"default"' : '"other-bank"')
      if (mine) expect(text).toContain(`"nodes":[{"id":"${id}"}]`)
      else expect(text).toContain('"prediction":null')
    }
  })

  it('do not affect each other in lists, totals, sums, and whether a query is too broad', async () => {
    const third = await gateway.as({ roles: ['ADMIN'], tenant: 'third-bank' })
    for (let i = 0; i < 3; i++) await score(third, 'applicant-0', i % 2 ? HIGH_RISK : LOW_RISK)
    const list = '{ total { count exact } edges { cursor node { id } } pageInfo { hasNextPage endCursor } }'
    const asked = [
      `predictions ${list}`,
      `predictions(filter: { applicantId: "applicant-0" }) ${list}`,
      `predictions(first: 1, filter: { bands: [T1], model: "consumer-credit", hasOutcome: true, channel: "web" }) ${list}`,
      `predictions(first: 1, orderBy: PROBABILITY_DESC, filter: { highRisk: true, hasOutcome: true }) ${list}`,
      `predictions(first: 1, filter: { probability: { from: 0.5, to: 0.5001 } }) ${list}`,
      `applicant(id: "applicant-0") { latestPrediction { id } predictions(first: 1) ${list} }`,
      'applicant(id: "applicant-1") { id }',
      'alerts { nodes { id } pageInfo { hasNextPage hasPreviousPage endCursor } }',
      'riskSummary(from: "2020-01-01T00:00:00Z", to: "2050-01-01T00:00:00Z", interval: MONTH) { total meanProbability observedDefaultRate bands { band count } }',
      'webhooks { id }',
    ]
    await until(
      async () =>
        (await dataOf<{ alerts: { nodes: unknown[] } }>(third, '{ alerts { nodes { id } } }')).alerts.nodes.length === 1,
    )
    const answers = () =>
      Promise.all(asked.map(async field => present((await third.send({ query: `{ ${field} }` })).data, field)))
    const before = await answers()
    await fillHistory(gateway.database.sql, { rows: 30_000, months: 2 })
    const [ours] = await inBoth('ADMIN')
    await score(ours, 'applicant-0', HIGH_RISK)
    await dataOf(ours, 'mutation { createWebhook(input: { url: "https://example.com/alerts" }) { secret } }')
    expect(await answers()).toEqual(before)
  })
})

describe('a SCORER that is also a MONITOR', () => {
  const PREDICTION =
    'prediction { id outcome { defaulted } applicant { latestPrediction { id } predictions { total { count } } } }'

  it('sees more in alerts than a MONITOR only for its own predictions', async () => {
    const [mine, other] = (await Promise.all(
      ['mine', 'other'].map(subject => gateway.as({ roles: ['SCORER', 'MONITOR'], subject, tenant: 'pair-bank' })),
    )) as [GraphqlClient, GraphqlClient]
    const after = await cursorOfNow(mine)
    const { id } = await score(mine, 'watched', HIGH_RISK)
    await dataOf(mine, 'mutation ($input: RecordOutcomeInput!) { recordOutcome(input: $input) { prediction { id } } }', {
      input: { predictionId: id, defaulted: true, observedAt: new Date().toISOString() },
    })
    const seen = {
      id,
      outcome: { defaulted: true },
      applicant: { latestPrediction: { id }, predictions: { total: { count: 1 } } },
    }
    const hidden = { id, outcome: null, applicant: { latestPrediction: null, predictions: { total: { count: 0 } } } }

    const query = `subscription ($after: String) { highRiskScored(after: $after) { ${PREDICTION} } }`
    for (const how of ['sockets', 'eventStreams'] as const) {
      const connections = [mine, other].map(client => client[how]())
      // Both subscribe at once, because subscriptions with the same rights share one execution.
      const streams = connections.map(connection => connection.iterate({ query, variables: { after } }))
      const [first, second] = (await Promise.all(streams.map(events => events.next()))).map(({ value }) => value as Event)
      expect(first).toEqual({ data: { highRiskScored: { prediction: seen } } })
      expect(second?.data).toEqual({ highRiskScored: { prediction: hidden } })
      expect(second?.errors).toMatchObject([
        { path: ['highRiskScored', 'prediction', 'outcome'], extensions: { code: 'FORBIDDEN' } },
      ])
      for (const events of streams) await events.return?.()
      for (const connection of connections) connection.dispose()
    }

    const page = `{ alerts { nodes { ${PREDICTION} } } }`
    for (let i = 0; i < 3; i++) {
      expect(await dataOf(mine, page)).toEqual({ alerts: { nodes: [{ prediction: seen }] } })
      const { data, errors } = await other.send({ query: page })
      expect(data).toEqual({ alerts: { nodes: [{ prediction: hidden }] } })
      expect(errors).toMatchObject([{ path: ['alerts', 'nodes', 0, 'prediction', 'outcome'], extensions: { code: 'FORBIDDEN' } }])
    }
  })
})
