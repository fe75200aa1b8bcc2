import { createRequire } from 'node:module'
import { type GraphQLFieldResolver, type GraphQLSchema, isObjectType } from 'graphql'
import type * as Shield from 'graphql-shield'
import { AppError } from '../errors.js'
import type { Permission, Principal } from './principal.js'

// Its ES module does not load on Node 23 and later (it imports isUndefined from util); its CommonJS build does.
const { allow, deny, rule, shield } = createRequire(import.meta.url)('graphql-shield') as typeof Shield

/** Allowed to whoever has at least one of these permissions. */
const can = (...permissions: Permission[]) =>
  rule(`can ${permissions.join(' or ')}`)((_parent, _args, { principal }: { principal: Principal }) =>
    permissions.some(permission => principal.permissions.has(permission)),
  )

const scores = can('prediction:create')
const readsHistory = can('prediction:read', 'prediction:read-own')
const readsAlerts = can('alert:read')
const recordsOutcomes = can('outcome:record')
const managesWebhooks = can('webhook:manage')
const managesKeys = can('api-key:manage')

/**
 * The whole policy. A type that is not named here holds only what its parents already allowed; test/unit/shield.test.ts lists
 * those types.
 */
export const RULES = {
  Query: {
    '*': deny,
    viewer: allow,
    prediction: readsHistory,
    predictionByKey: readsHistory,
    predictions: readsHistory,
    applicant: readsHistory,
    alerts: readsAlerts,
    riskSummary: can('summary:read'),
    alertCursor: readsAlerts,
    models: allow,
    model: allow,
    webhooks: managesWebhooks,
    auditEntries: can('audit:read'),
    apiKeys: managesKeys,
  },
  Mutation: {
    '*': deny,
    predictRisk: scores,
    predictRiskBatch: scores,
    acknowledgeAlert: can('alert:acknowledge'),
    recordOutcome: recordsOutcomes,
    recordOutcomes: recordsOutcomes,
    eraseApplicant: can('applicant:erase'),
    createWebhook: managesWebhooks,
    rotateWebhookSecret: managesWebhooks,
    deleteWebhook: managesWebhooks,
    redeliverWebhook: managesWebhooks,
    createApiKey: managesKeys,
    revokeApiKey: managesKeys,
  },
  Subscription: {
    '*': deny,
    highRiskScored: readsAlerts,
  },
  Prediction: {
    '*': deny,
    id: allow,
    applicantId: allow,
    applicant: allow,
    modelVersion: allow,
    probability: allow,
    band: allow,
    highRisk: allow,
    channel: allow,
    createdAt: allow,
    requestedBy: allow,
    features: can('feature:read'),
    outcome: readsHistory,
  },
  Applicant: { '*': deny, id: allow, latestPrediction: readsHistory, predictions: readsHistory },
  ModelVersion: {
    '*': deny,
    name: allow,
    version: allow,
    digest: allow,
    stage: allow,
    bands: allow,
    model: allow,
    createdAt: allow,
    metrics: can('metric:read'),
  },
} as const

type Resolve = GraphQLFieldResolver<unknown, unknown>
type Guard = (resolve: Resolve, ...call: Parameters<Resolve>) => unknown

/**
 * Guards the schema with the rules, in place. Not by graphql-middleware's applyMiddleware: that wraps every field of every row,
 * which triples the time of a page, and leaves `subscribe` open to anyone.
 */
export function applyPermissions(schema: GraphQLSchema): void {
  const guards = shield(RULES, {
    allowExternalErrors: true,
    fallbackRule: deny,
    fallbackError: () => new AppError('FORBIDDEN', 'Your roles do not allow this. Ask for a token with another role.'),
  }).generate(schema) as Record<string, Record<string, Guard>>
  for (const [typeName, rules] of Object.entries(RULES) as [string, Record<string, unknown>][]) {
    const type = schema.getType(typeName)
    if (!isObjectType(type)) throw new Error(`There is a rule for ${typeName}, which is no type of the schema.`)
    for (const field of Object.values(type.getFields())) {
      const guard = guards[typeName]?.[field.name]
      if (!guard || (rules[field.name] ?? rules['*']) === allow) continue
      const { resolve = parent => (parent as Record<string, unknown>)[field.name], subscribe } = field
      if (subscribe) field.subscribe = (...args) => guard(subscribe, ...args)
      else field.resolve = (...args) => guard(resolve, ...args)
    }
  }
}
