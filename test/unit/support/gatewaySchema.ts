import { fileURLToPath } from 'node:url'
import type { GraphQLSchema } from 'graphql'
import { AlertFeed } from '../../../src/alerts/feed.js'
import { LocalHints } from '../../../src/alerts/hints.js'
import { permissionsOf } from '../../../src/auth/permissions.js'
import type { Principal, Role } from '../../../src/auth/principal.js'
import { applyPermissions } from '../../../src/auth/shield.js'
import { type NewOutcome, RecordOutcomes } from '../../../src/monitoring/outcomes.js'
import { RiskSummaries } from '../../../src/monitoring/riskSummary.js'
import { ReleaseControl } from '../../../src/releases/rollout/releaseControl.js'
import type { RolloutStore } from '../../../src/releases/rollout/rolloutStore.js'
import { AuditTrail } from '../../../src/resolvers/auditTrail.js'
import { operationContext, type RequestContext } from '../../../src/resolvers/context.js'
import { createLoaders, forgetLoadedBeforeMutations } from '../../../src/resolvers/loaders.js'
import type { ReleaseParts } from '../../../src/resolvers/releaseResolver.js'
import { createResolvers, RESOLVERS } from '../../../src/resolvers/resolvers.js'
import { buildApiSchema } from '../../../src/schema/build.js'
import type { Outcome, Prediction } from '../../../src/scoring/prediction.js'
import { PredictRisk } from '../../../src/scoring/predictRisk.js'
import type { RequestNames } from '../../../src/server/requestNames.js'
import type { AlertStore } from '../../../src/storage/alerts/alertStore.js'
import type { ApiKeyStore } from '../../../src/storage/apiKeys/apiKeyStore.js'
import type { AuditReader } from '../../../src/storage/audit/auditReader.js'
import type { HistoryStore } from '../../../src/storage/history/historyStore.js'
import type { Erasure, ErasureStore } from '../../../src/storage/predictions/erasureStore.js'
import type { OutcomeStore } from '../../../src/storage/predictions/outcomeStore.js'
import type { WebhookStore } from '../../../src/storage/webhooks/webhookStore.js'
import { registryOf } from '../../support/folderReleases.js'
import { MemoryAlertLog } from './memoryAlertLog.js'
import { MemoryRecorder } from './memoryRecorder.js'

export const STORED: Prediction = {
  id: '01900000-0000-7000-8000-000000000001',
  tenant: 'default',
  applicantId: 'a-1',
  model: 'consumer-credit',
  modelVersion: '2',
  probability: 0.25,
  band: 'T6',
  highRisk: false,
  channel: 'web',
  createdAt: new Date('2026-05-04T03:02:01.234Z'),
  requestedBy: 'test-client',
}

/** Answers every question with the same prediction, and records the questions. */
class MemoryHistory {
  readonly asked: unknown[] = []

  #answer<T>(question: unknown, answer: T): Promise<T> {
    this.asked.push(question)
    return Promise.resolve(answer)
  }

  findByIds(_visibility: unknown, ids: readonly string[]) {
    return this.#answer(['findByIds', ids], ids.includes(STORED.id) ? [STORED] : [])
  }
  findByKey(_visibility: unknown, key: string) {
    return this.#answer(['findByKey', key], STORED)
  }
  latestOf(_visibility: unknown, applicantIds: readonly string[]) {
    return this.#answer(['latestOf', applicantIds], applicantIds.includes(STORED.applicantId) ? [STORED] : [])
  }
  featuresOf(_tenant: string, ids: readonly string[]) {
    return this.#answer(['featuresOf', ids], new Map([[STORED.id, { amount: 650, home: 'owner' }]]))
  }
  erase(erasure: Erasure) {
    return this.#answer(['erase', erasure], { count: 0, complete: true })
  }
  page(_visibility: unknown, query: unknown) {
    return this.#answer(['page', query], { entries: [{ cursor: 'c-1', prediction: STORED }], hasMore: false })
  }
  pagesOfApplicants(_visibility: unknown, queries: readonly unknown[]) {
    const page = { entries: [{ cursor: 'c-1', prediction: STORED }], hasMore: false }
    return this.#answer(
      ['pagesOfApplicants', queries],
      queries.map(() => page),
    )
  }
  total(_visibility: unknown, filter: unknown) {
    return this.#answer(['total', filter], { count: 1, exact: true })
  }
  totalsOfApplicants(_visibility: unknown, ids: readonly string[]) {
    return this.#answer(
      ['totalsOfApplicants', ids],
      ids.map(() => ({ count: 1, exact: true })),
    )
  }
}

/** Holds an outcome of that prediction, and no statistics. */
class MemoryOutcomes {
  readonly #asked: unknown[]

  constructor(asked: unknown[]) {
    this.#asked = asked
  }

  async findByIds(_tenant: string, ids: readonly string[]) {
    this.#asked.push(['outcomes', ids])
    return new Map<string, Outcome>([[STORED.id, { defaulted: true, observedAt: STORED.createdAt, recordedBy: 'desk' }]])
  }
  async record(_visibility: unknown, recordedBy: string, outcomes: readonly NewOutcome[]) {
    this.#asked.push(['record', outcomes])
    const known = outcomes.filter(({ predictionId }) => predictionId === STORED.id)
    return new Map(known.map(outcome => [STORED.id, { prediction: STORED, outcome: { ...outcome, recordedBy } }]))
  }
  async count(_tenant: string, query: unknown) {
    this.#asked.push(['count', query])
    return []
  }
}

const WEBHOOK = {
  id: '01900000-0000-7000-8000-000000000002',
  url: 'https://example.com/alerts',
  description: null,
  bands: null,
  model: null,
  createdAt: STORED.createdAt,
  createdBy: 'test-client',
  previousSecretUntil: null,
}

/** Answers every question with the same webhook, and records the questions. */
class MemoryWebhooks {
  readonly #asked: unknown[]

  constructor(asked: unknown[]) {
    this.#asked = asked
  }

  #answer<T>(question: string, answer: T): Promise<T> {
    this.#asked.push(question)
    return Promise.resolve(answer)
  }

  create = () => this.#answer('create', WEBHOOK)
  rotateSecret = () => this.#answer('rotateSecret', WEBHOOK)
  remove = () => this.#answer('remove', true)
  redeliver = () => this.#answer('redeliver', { id: WEBHOOK.id })
  list = () => this.#answer('list', [WEBHOOK])
}

const API_KEY = {
  id: '01900000-0000-7000-8000-000000000003',
  principal: 'shop',
  description: null,
  roles: ['SCORER'],
  createdAt: STORED.createdAt,
  createdBy: 'test-client',
  expiresAt: STORED.createdAt,
  lastUsedAt: null,
  revokedAt: null,
  revokedBy: null,
}

/** Answers every question with the same API key, and records the questions. */
class MemoryApiKeys {
  readonly #asked: unknown[]

  constructor(asked: unknown[]) {
    this.#asked = asked
  }

  #answer<T>(question: string, answer: T): Promise<T> {
    this.#asked.push(question)
    return Promise.resolve(answer)
  }

  create = () => this.#answer('create', API_KEY)
  revoke = () => this.#answer('revoke', API_KEY)
  page = () => this.#answer('page', [API_KEY])
}

/** Holds no version and no change, and records the questions. */
function memoryReleases(asked: unknown[]): ReleaseParts {
  const rollout = { champion: undefined, challenger: undefined, shadow: undefined, earlier: [], retired: [], revision: 0 }
  const rollouts = {
    read: async (model: string) => {
      asked.push(['rollout', model])
      return { rollout: { model, ...rollout }, versions: [], said: { folder: undefined, mlflow: undefined } }
    },
    find: async (id: string) => void asked.push(['change', id]),
    page: async () => [],
  } as unknown as RolloutStore
  const noPairs = () => Promise.reject(new Error('There are no pairs.'))
  const pairs = { known: noPairs, compare: noPairs }
  const admitAgain = { run: () => Promise.reject(new Error('There is no source.')) }
  return { rollouts, pairs, admitAgain, isTrusted: () => true, mlflowUrl: undefined, control: new ReleaseControl(rollouts) }
}

export function principalOf(...roles: Role[]): Principal {
  return {
    id: 'test-client',
    tenant: 'default',
    roles,
    permissions: permissionsOf(roles),
    expiresAt: new Date(8.64e15),
    credential: 'jwt:test',
  }
}

const directory = fileURLToPath(new URL('../../../models', import.meta.url))

export interface GatewaySchema {
  readonly schema: GraphQLSchema
  readonly recorder: MemoryRecorder
  /** Every question that reached a store, in order. */
  readonly asked: unknown[]
  contextOf(...roles: Role[]): RequestContext & { request: RequestNames }
}

/** The real schema, resolvers, rules and models over stores in memory. */
export async function createGatewaySchema(): Promise<GatewaySchema> {
  const models = await registryOf(directory)
  const recorder = new MemoryRecorder()
  const memory = new MemoryHistory()
  const history = memory as unknown as HistoryStore
  const outcomes = new MemoryOutcomes(memory.asked)
  const log = new MemoryAlertLog()
  const alertLog = log as unknown as AlertStore
  const erasures = { erase: (erasure: Erasure) => memory.erase(erasure) } as unknown as ErasureStore
  const predictRisk = new PredictRisk(models, recorder)
  const webhooks = new MemoryWebhooks(memory.asked) as unknown as WebhookStore
  const audit = {
    digest: (_tenant: string, text: string) => `digest of ${text}`,
    write: async (entries: readonly unknown[]) => void memory.asked.push(['audit', entries]),
    page: async () => ({ entries: [], hasMore: false }),
  }
  const releases = memoryReleases(memory.asked)
  const instances = createResolvers({
    predictRisk,
    history,
    alertLog,
    erasures,
    models,
    releases,
    recordOutcomes: new RecordOutcomes(outcomes),
    riskSummaries: new RiskSummaries(outcomes),
    webhooks,
    apiKeys: new MemoryApiKeys(memory.asked) as unknown as ApiKeyStore,
    webhookRules: { mayBePrivate: false },
    audit: { reader: audit as unknown as AuditReader, digest: audit.digest },
  })
  const schema = buildApiSchema(
    RESOLVERS,
    resolver => instances.get(resolver),
    models.models.map(({ contract }) => contract),
  )
  forgetLoadedBeforeMutations(schema)
  applyPermissions(schema)
  const alertFeed = new AlertFeed({ log, hints: new LocalHints(), failed: () => {}, heldBack: () => {} })
  const latest = { find: async () => new Map<string, Prediction>(), remember: async () => {}, forget: async () => {} }
  return {
    schema,
    recorder,
    asked: memory.asked,
    contextOf: (...roles) => {
      const principal = principalOf(...roles)
      const trail = new AuditTrail({ writer: audit, digest: audit.digest }, principal)
      const sources = { history, latest, outcomes: outcomes as unknown as OutcomeStore, webhooks, rollouts: releases.rollouts }
      const context = operationContext({ principal, alertFeed, audit: trail }, () =>
        createLoaders(sources, principal, { isStream: false, audit: trail }),
      )
      const request = { requestId: 'r-1', method: 'POST', path: '/graphql', traceId: undefined }
      return Object.assign(context, { request })
    },
  }
}
