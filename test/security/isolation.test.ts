import {
  buildClientSchema,
  type GraphQLSchema,
  getIntrospectionQuery,
  getNamedType,
  type IntrospectionQuery,
  isInputObjectType,
  isObjectType,
} from 'graphql'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { present, until } from '../support/process.js'
import { REDIS_SERVER, startRedis, type TestRedis } from '../support/redis.js'
import { type StatementProxy, startStatementProxy } from '../support/statementProxy.js'
import { scoreBatch } from '../support/stored.js'
import { type Belongings, NAMES_NOTHING, type Reference, referencesTo } from './support/references.js'
import { rowsOf } from './support/rowsOf.js'

const OTHER_TENANT = 'other-bank'
const VOLATILE_HEADERS = /^(x-request-id|date|ratelimit-.*)$/
const ANY_UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g
const ANY_INSTANT = /\d{4}-\d\d-\d\dT[\d:.]+Z/g
// In the caller's own audit, a digest replaces the reference that it asked about.
const ANY_DIGEST = /[0-9a-f]{64}/g
const ANY_SECRET = /whsec_[\w+/=]+/g

let redis: TestRedis | undefined
let database: TestDatabase
let proxy: StatementProxy
let gateway: TestGateway
/** A client of the tenant that owns the data. */
let shop: GraphqlClient
let otherShop: GraphqlClient
let admin: GraphqlClient
/** A client of another tenant, with the same name as the shop. */
let stranger: GraphqlClient
let belongings: Belongings
let references: Readonly<Record<string, Reference>>
let schema: GraphQLSchema

beforeAll(async () => {
  redis = REDIS_SERVER ? await startRedis() : undefined
  database = await createTestDatabase()
  proxy = await startStatementProxy(database.url)
  const settings = {
    RISKGATE_WEBHOOK_ALLOW_PRIVATE: 'true',
    ...(redis && { REDIS_URL: redis.url }),
    RISKGATE_RATE_LIMIT_PRINCIPAL: '0',
    RISKGATE_RATE_LIMIT_TENANT: '0',
  }
  gateway = await startGateway(settings, { ...database, url: proxy.url })
  shop = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
  otherShop = await gateway.as({ roles: ['SCORER'], subject: 'other-shop' })
  admin = await gateway.as({ roles: ['ADMIN'], subject: 'shop' })
  stranger = await gateway.as({ roles: ['ADMIN'], subject: 'shop', tenant: OTHER_TENANT })
  schema = buildClientSchema(await dataOf<IntrospectionQuery>(admin, getIntrospectionQuery({ oneOf: true })))
  // Each tenant has some rows before and after the ones that are asked for.
  for (const client of [stranger, otherShop]) await scoreBatch(client, [application('both', HIGH_RISK), application('own')])
  belongings = await scoreAll()
  for (const client of [stranger, otherShop]) await scoreBatch(client, [application('both', HIGH_RISK), application('own')])
  references = referencesTo(belongings)
  await until(async () => (await alertsOf(admin)).length === 5 && (await alertsOf(stranger)).length === 2)
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await proxy[Symbol.asyncDispose]()
  await database[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

async function dataOf<Data>(client: GraphqlClient, query: string, variables = {}): Promise<Data> {
  const { data, errors } = await client.send<Data>({ query, variables })
  if (errors || !data) throw new Error(`The request failed: ${JSON.stringify(errors)}`)
  return data
}

const alertsOf = async (client: GraphqlClient) =>
  (await dataOf<{ alerts: { nodes: { id: string; cursor: string }[] } }>(client, '{ alerts { nodes { id cursor } } }')).alerts
    .nodes

/** Creates one of everything for the shop. */
async function scoreAll(): Promise<Belongings> {
  const items = [
    { ...application('ref-1', HIGH_RISK), idempotencyKey: 'key-1', channel: 'branch-1' },
    { ...application('ref-2', HIGH_RISK), idempotencyKey: 'key-2' },
    application('both', HIGH_RISK),
  ]
  const [first] = await scoreBatch(shop, items)
  const { id, probability } = present(first, 'prediction')
  await dataOf(shop, 'mutation ($input: RecordOutcomeInput!) { recordOutcome(input: $input) { prediction { id } } }', {
    input: { predictionId: id, defaulted: true, observedAt: new Date().toISOString() },
  })
  await until(async () => (await alertsOf(admin)).some(alert => alert.id === id))
  const { cursor } = present(
    (await alertsOf(admin)).find(alert => alert.id === id),
    'alert',
  )
  const webhookUrl = 'http://127.0.0.1:9/alerts-1'
  const { createWebhook } = await dataOf<{ createWebhook: { webhook: { id: string } } }>(
    admin,
    'mutation ($input: CreateWebhookInput!) { createWebhook(input: $input) { webhook { id } } }',
    // Its filter names an unknown model, so that no delivery changes its rows during the tests.
    { input: { url: webhookUrl, filter: { model: 'none' } } },
  )
  const webhookId = createWebhook.webhook.id
  await gateway.database.sql`
    insert into webhook_deliveries (id, webhook_id, tenant, alert_id, state, attempts, created_at)
    values (${id}, ${webhookId}, 'default', ${id}, 'DEAD', 3, now())`
  const { createApiKey } = await dataOf<{ createApiKey: { apiKey: { id: string } } }>(
    admin,
    'mutation { createApiKey(input: { principal: "shop", roles: [SCORER] }) { apiKey { id } } }',
  )
  const [auditEntry] = await gateway.database.sql<{ at: number; id: string; key: string }[]>`
    select (extract(epoch from at) * 1000)::float8 as at, id::text, key from audit_entries, audit_key where tenant = 'default' order by id limit 1`
  return {
    predictionId: id,
    probability,
    alertCursor: cursor,
    webhookId,
    webhookUrl,
    deliveryId: id,
    apiKeyId: createApiKey.apiKey.id,
    auditEntry: present(auditEntry, 'audit entry'),
  }
}

/** The answer to a reference, without the reference and without parts that differ from call to call. */
async function answerTo(client: GraphqlClient, { query, variables }: Reference, reference: string) {
  const masked = (text: string) =>
    text
      .replaceAll(reference, '<reference>')
      .replace(ANY_SECRET, '<secret>')
      .replace(ANY_DIGEST, '<digest>')
      .replace(query.startsWith('mutation') ? ANY_UUID : /$^/, '<id>')
      .replace(query.startsWith('mutation') ? ANY_INSTANT : /$^/, '<instant>')
  if (query.startsWith('subscription')) {
    const events = client.eventStreams().iterate({ query, variables: variables(reference) })
    const { value } = await events.next()
    await events.return?.()
    return { text: masked(JSON.stringify(value)) }
  }
  const body = JSON.stringify({ query, variables: variables(reference) })
  const { status, text, headers } = await client.raw({ method: 'POST', headers: { 'content-type': 'application/json' }, body })
  return { status, text: masked(text), headers: [...headers].filter(([name]) => !VOLATILE_HEADERS.test(name)) }
}

/** Every argument and input field of type ID or String. */
function textInputs(): string[] {
  const isText = (type: Parameters<typeof getNamedType>[0]) => ['ID', 'String'].includes(getNamedType(type)?.name ?? '')
  return Object.values(schema.getTypeMap())
    .filter(({ name }) => !name.startsWith('__'))
    .flatMap(type => {
      if (isInputObjectType(type)) {
        return Object.values(type.getFields()).flatMap(field => (isText(field.type) ? `${type.name}.${field.name}` : []))
      }
      if (!isObjectType(type)) return []
      return Object.values(type.getFields()).flatMap(field =>
        field.args.flatMap(argument => (isText(argument.type) ? `${type.name}.${field.name}.${argument.name}` : [])),
      )
    })
}

describe('a reference to foreign data', () => {
  it('can be sent in exactly the inputs that are listed here', () => {
    expect([...Object.keys(references), ...Object.keys(NAMES_NOTHING)].sort()).toEqual(textInputs().sort())
  })

  it('is answered exactly like an unknown reference, byte for byte, and changes nothing', async () => {
    for (const [input, reference] of Object.entries(references)) {
      for (const [name, client] of Object.entries({ stranger, otherShop })) {
        const before = await rowsOf(gateway.database, 'default')
        const answers = []
        // From the third call on, the prepared operation answers.
        for (let i = 0; i < 3; i++) {
          answers.push(await answerTo(client, reference, reference.foreign), await answerTo(client, reference, reference.absent))
          if (isRepeatable(input)) continue
          break
        }
        for (const answer of answers) expect({ input, name, ...answer }).toEqual({ input, name, ...answers[1] })
        const after = await rowsOf(gateway.database, 'default')
        if (client === stranger) expect({ input, after }).toEqual({ input, after: before })
        else for (const [table, rows] of Object.entries(before)) expect(after[table]).toEqual(expect.arrayContaining([...rows]))
      }
    }
  })

  it('is answered with data to its owner', async () => {
    for (const input of [
      'Query.prediction.id',
      'Query.predictionByKey.idempotencyKey',
      'Query.applicant.id',
      'PredictionFilter.channel',
    ]) {
      const reference = present(references[input], input)
      const [foreign, absent] = [
        await answerTo(shop, reference, reference.foreign),
        await answerTo(shop, reference, reference.absent),
      ]
      expect({ input, ...foreign }).not.toEqual({ input, ...absent })
    }
  })

  it.each(['Query.prediction.id', 'Query.predictionByKey.idempotencyKey', 'Query.applicant.id', 'AcknowledgeAlertInput.alertId'])(
    'sends the same statements as an unknown reference, so that it takes as long: %s',
    async input => {
      const reference = present(references[input], input)
      const unknown = await statementsOf(reference, reference.absent)
      expect(unknown.length).toBeGreaterThan(0)
      expect(await statementsOf(reference, reference.foreign)).toEqual(unknown)
    },
  )

  /** The statements that each of several calls sends. What the gateway sends by itself comes with some of them only. */
  async function statementsOf(reference: Reference, value: string): Promise<string[]> {
    let common: string[] | undefined
    for (let i = 0; i < 20; i++) {
      proxy.take()
      await answerTo(stranger, reference, value)
      const sent = proxy.take()
      common = common?.filter(text => sent.includes(text)) ?? sent
    }
    return common ?? []
  }
})

/** Whether a repeated call gets the same answer. */
function isRepeatable(input: string): boolean {
  return !input.startsWith('PredictRiskInput.') && !input.startsWith('CreateWebhookInput.')
}
