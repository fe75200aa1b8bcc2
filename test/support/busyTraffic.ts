import { HIGH_RISK, LOW_RISK } from './applicants.js'
import { GraphqlClient } from './client.js'
import { type Caller, signToken } from './gateway.js'
import {
  AlertsDocument,
  AuditEntriesDocument,
  CreateApiKeyDocument,
  HistoryDocument,
  ModelsDocument,
  PredictRiskBatchDocument,
  PredictRiskDocument,
  RecordOutcomeDocument,
  RiskSummaryDocument,
  ViewerDocument,
} from './generated/operations.js'
import { jsonOf, sendRest } from './restClient.js'

/** In every text that a caller of this traffic chooses. */
export const CANARY = 'canary'

export interface BusyGateway {
  readonly url: string
  as(caller: Caller): Promise<GraphqlClient>
}

const EVERYTHING = ['SCORER', 'ANALYST', 'MONITOR', 'ADMIN'] as const
const TODAY = new Date().toISOString()

// Each is wrong in another way: syntax, names, rights, input, limits.
const WRONG_DOCUMENTS = [
  '{ canary',
  '{ canaryField }',
  'query CanaryName { canaryAlias: viewer { canaryId: id } models { name } }',
  'query CanaryOne { viewer { id } } query CanaryTwo { viewer { id } }',
  '{ __schema { queryType { name } } }',
  '{ __typename }',
  'mutation { predictRisk(input: { applicantId: "canary", features: { canaryModel: {} } }) { replayed } }',
  '{ alerts(after: "canary") { nodes { id } } }',
  '{ model(name: "canary") { name } }',
  `{ ${'viewer { id } '.repeat(400)} }`,
  'subscription { highRiskScored { id } }',
]
const WRONG_ADDRESSES = [
  '/canary',
  '/api/canary',
  '/graphql/canary',
  '/%zz',
  '/api/models/canary',
  '/api/predictions/canary',
  '/api/predict',
]

const newestOf = (applicant: string) => `{ applicant(id: "${applicant}") { latestPrediction { id } } }`

/** One round of everything that callers do, right and wrong, as a principal of a tenant of its own. */
export async function sendEverything(gateway: BusyGateway, round: number): Promise<void> {
  const caller = { roles: EVERYTHING, subject: `canary-subject-${round}`, tenant: `canary-tenant-${round}` }
  const [client, authorization] = [await gateway.as(caller), `Bearer ${await signToken(caller)}`]
  await score(client, round)
  await read(client)
  await callWithApiKey(gateway, client)
  // Only those who cannot score are answered from the cache.
  const analyst = await gateway.as({ ...caller, roles: ['ANALYST'] })
  for (let i = 0; i < 3; i++) await analyst.send({ query: newestOf('canary-applicant-1') })
  await analyst.send({ query: newestOf('canary-nobody') })
  for (const query of WRONG_DOCUMENTS) await client.send({ query, operationName: round % 2 ? undefined : 'CanaryName' })
  await (await gateway.as({ roles: ['MONITOR'], subject: 'canary-monitor' })).request(PredictRiskDocument, {
    input: application(0),
  })
  await callRest(gateway, authorization, round)
  for (const path of WRONG_ADDRESSES) {
    for (const headers of [{}, { authorization }, { authorization: `Bearer ${CANARY}`, 'x-request-id': `${CANARY}-${round}` }]) {
      await (await fetch(`${gateway.url}${path}`, { headers })).text()
    }
  }
}

const application = (i: number, features = i % 5 === 0 ? HIGH_RISK : LOW_RISK) => ({
  applicantId: `canary-applicant-${i}`,
  features: { consumerCredit: features },
})

async function score(client: GraphqlClient, round: number): Promise<void> {
  for (let i = 0; i < 5; i++) {
    const idempotencyKey = `canary-key-${i % 4}`
    await client.request(PredictRiskDocument, { input: { ...application(i), idempotencyKey } })
  }
  await client.request(PredictRiskDocument, { input: application(round, { ...LOW_RISK, home: 'canary-home' }) })
  const { predictRiskBatch } = await client.data(PredictRiskBatchDocument, { items: [10, 11, 12].map(i => application(i)) })
  const [first] = predictRiskBatch.results
  const predictionId = first?.prediction?.id ?? CANARY
  await client.request(RecordOutcomeDocument, { input: { predictionId, defaulted: false, observedAt: new Date().toISOString() } })
}

async function read(client: GraphqlClient): Promise<void> {
  const from = new Date(Date.parse(TODAY) - 86_400_000).toISOString()
  await client.request(HistoryDocument, { first: 10 })
  await client.request(HistoryDocument, { after: CANARY })
  await client.request(RiskSummaryDocument, { from, to: TODAY })
  await client.request(AlertsDocument, { first: 5 })
  await client.request(AuditEntriesDocument, { first: 5 })
  await client.request(ModelsDocument, {})
  await client.request(ViewerDocument, {})
}

async function callWithApiKey({ url }: BusyGateway, admin: GraphqlClient): Promise<void> {
  const input = { principal: 'canary-principal', roles: ['SCORER' as const], description: CANARY }
  const { createApiKey } = await admin.data(CreateApiKeyDocument, { input })
  const shop = new GraphqlClient(url, createApiKey.key)
  for (let i = 0; i < 2; i++) await shop.request(ViewerDocument, {})
}

async function callRest(gateway: BusyGateway, authorization: string, round: number): Promise<void> {
  const call = (path: string, body?: unknown, more = {}) =>
    sendRest(gateway, path, {
      headers: { authorization, ...more },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
  const row = (i: number, features = i % 2 ? LOW_RISK : HIGH_RISK) => ({
    applicantId: `canary-applicant-${i}`,
    model: 'consumer-credit',
    features,
  })
  const { id = CANARY } = jsonOf<{ id?: string }>(await call('/predict', row(round)))
  await call('/predict', row(1), { 'idempotency-key': `canary-rest-${round}` })
  await call('/predict', row(2), { 'idempotency-key': `canary-rest-${round}` })
  await call('/predict', { ...row(1), canary: 1 })
  await call('/predict', '{"canary":1,"canary":2}')
  await call('/predict/batch', { items: [row(1), row(2)] })
  await call(`/predictions/${id}`)
  await call(`/predictions/${id}/outcome`, { defaulted: true, observedAt: new Date().toISOString() })
  await call('/predictions?limit=5')
  await call('/predictions?canary=canary')
  await call('/models')
  await call('/models/consumer-credit')
}
