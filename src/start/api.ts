import type { GraphQLSchema } from 'graphql'
import type { AlertFeed } from '../alerts/feed.js'
import { applyPermissions } from '../auth/shield.js'
import { RecordOutcomes } from '../monitoring/outcomes.js'
import { RiskSummaries } from '../monitoring/riskSummary.js'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import { AuditTrail } from '../resolvers/auditTrail.js'
import { type ContextOf, operationContext } from '../resolvers/context.js'
import { createLoaders, forgetLoadedBeforeMutations } from '../resolvers/loaders.js'
import type { ReleaseParts } from '../resolvers/releaseResolver.js'
import { createResolvers, RESOLVERS } from '../resolvers/resolvers.js'
import { buildApiSchema } from '../schema/build.js'
import type { ModelContract } from '../scoring/contract.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { PredictRisk } from '../scoring/predictRisk.js'
import type { AlertStore } from '../storage/alerts/alertStore.js'
import type { ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import { HistoryStore } from '../storage/history/historyStore.js'
import type { ClockWatch } from '../storage/postgres/clockWatch.js'
import { ErasureStore } from '../storage/predictions/erasureStore.js'
import { OutcomeStore } from '../storage/predictions/outcomeStore.js'
import type { RollupStore } from '../storage/statistics/rollupStore.js'
import type { WebhookStore } from '../storage/webhooks/webhookStore.js'
import type { Audit } from './audit.js'
import type { Kit } from './kit.js'

interface Needs {
  readonly models: ModelRegistry
  readonly predictRisk: PredictRisk
  readonly alerts: { readonly store: AlertStore; readonly feed: AlertFeed }
  readonly audit: Audit
  readonly latest: LatestPredictions
  readonly rollups: RollupStore
  readonly webhooks: WebhookStore
  readonly apiKeys: ApiKeyStore
  readonly releases: ReleaseParts
  readonly clock: ClockWatch
}

export interface Api {
  readonly schema: GraphQLSchema
  readonly contracts: readonly ModelContract[]
  readonly contextOf: ContextOf
}

/** Builds the schema with its resolvers and permissions, and the context that its operations run in. */
export function startApi({ config, database }: Kit, needs: Needs): Api {
  const { models, predictRisk, alerts, audit, latest, rollups, webhooks, apiKeys, releases, clock } = needs
  const history = new HistoryStore(database)
  const outcomes = new OutcomeStore(database)
  const instances = createResolvers({
    predictRisk,
    history,
    alertLog: alerts.store,
    audit,
    recordOutcomes: new RecordOutcomes(outcomes, clock.now),
    riskSummaries: new RiskSummaries(rollups),
    erasures: new ErasureStore(database, (...erased) => latest.forget(...erased), audit.digest),
    models,
    releases,
    webhooks,
    apiKeys,
    now: clock.now,
    webhookRules: { mayBePrivate: config.webhooksMayBePrivate, privateNetworks: config.webhookPrivateNetworks },
  })
  const contracts = models.models.map(({ contract }) => contract)
  const schema = buildApiSchema(RESOLVERS, resolver => instances.get(resolver), contracts)
  forgetLoadedBeforeMutations(schema)
  applyPermissions(schema)
  const sources = { history, latest, outcomes, webhooks, rollouts: releases.rollouts }
  return {
    schema,
    contracts,
    contextOf: (principal, { isStream }) => {
      const trail = new AuditTrail(audit, principal)
      return operationContext({ principal, audit: trail, alertFeed: alerts.feed }, () =>
        createLoaders(sources, principal, { isStream, audit: trail }),
      )
    },
  }
}
