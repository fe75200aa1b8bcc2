import type { RecordOutcomes } from '../monitoring/outcomes.js'
import type { RiskSummaries } from '../monitoring/riskSummary.js'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import type { PredictRisk } from '../scoring/predictRisk.js'
import type { AlertStore } from '../storage/alerts/alertStore.js'
import type { ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import type { AuditDigest } from '../storage/audit/auditDigest.js'
import type { AuditReader } from '../storage/audit/auditReader.js'
import type { HistoryStore } from '../storage/history/historyStore.js'
import type { ErasureStore } from '../storage/predictions/erasureStore.js'
import type { WebhookStore } from '../storage/webhooks/webhookStore.js'
import type { TargetRules } from '../webhooks/webhookTarget.js'
import { AlertResolver } from './alertResolver.js'
import { ApiKeyResolver } from './apiKeyResolver.js'
import { ApplicantResolver } from './applicantResolver.js'
import { AuditResolver } from './auditResolver.js'
import { ErasureResolver } from './erasureResolver.js'
import { HistoryResolver, PredictionConnectionFields } from './historyResolver.js'
import { FeatureContractFields, ModelResolver } from './modelResolver.js'
import { OutcomeResolver } from './outcomeResolver.js'
import { PredictionFields } from './predictionFields.js'
import { PredictionResolver } from './predictionResolver.js'
import { ModelReleaseFields, ModelVersionReleaseFields } from './releaseFields.js'
import { type ReleaseParts, ReleaseResolver } from './releaseResolver.js'
import { SummaryResolver } from './summaryResolver.js'
import { ViewerResolver } from './viewerResolver.js'
import { WebhookResolver } from './webhookResolver.js'

/** All resolver classes, from which the schema is built. */
export const RESOLVERS = [
  ViewerResolver,
  PredictionResolver,
  PredictionFields,
  HistoryResolver,
  PredictionConnectionFields,
  ApplicantResolver,
  AlertResolver,
  AuditResolver,
  ApiKeyResolver,
  ErasureResolver,
  ModelResolver,
  FeatureContractFields,
  ModelReleaseFields,
  ModelVersionReleaseFields,
  ReleaseResolver,
  OutcomeResolver,
  SummaryResolver,
  WebhookResolver,
] as const

export interface ResolverParts {
  readonly predictRisk: PredictRisk
  readonly history: HistoryStore
  readonly alertLog: AlertStore
  readonly audit: { readonly reader: AuditReader; readonly digest: AuditDigest }
  readonly apiKeys: ApiKeyStore
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly erasures: ErasureStore
  readonly models: ModelRegistry
  readonly releases: ReleaseParts
  readonly recordOutcomes: RecordOutcomes
  readonly riskSummaries: RiskSummaries
  readonly webhooks: WebhookStore
  readonly webhookRules: TargetRules
}

/** Creates the instance of each resolver class. */
export function createResolvers(parts: ResolverParts): ReadonlyMap<unknown, object> {
  const { predictRisk, history, alertLog, recordOutcomes, riskSummaries, erasures, models, webhooks, webhookRules } = parts
  const contracts = models.models.map(({ contract }) => contract)
  return new Map<unknown, object>([
    [ViewerResolver, new ViewerResolver()],
    [PredictionResolver, new PredictionResolver(predictRisk, contracts)],
    [PredictionFields, new PredictionFields(models)],
    [HistoryResolver, new HistoryResolver(history)],
    [PredictionConnectionFields, new PredictionConnectionFields()],
    [ApplicantResolver, new ApplicantResolver()],
    [AlertResolver, new AlertResolver(alertLog)],
    [AuditResolver, new AuditResolver(parts.audit.reader, parts.audit.digest)],
    [ApiKeyResolver, new ApiKeyResolver(parts.apiKeys, parts.now)],
    [ErasureResolver, new ErasureResolver(erasures)],
    [ModelResolver, new ModelResolver(models)],
    [FeatureContractFields, new FeatureContractFields()],
    [ModelReleaseFields, new ModelReleaseFields()],
    [ModelVersionReleaseFields, new ModelVersionReleaseFields(parts.releases)],
    [ReleaseResolver, new ReleaseResolver(parts.releases)],
    [OutcomeResolver, new OutcomeResolver(recordOutcomes)],
    [SummaryResolver, new SummaryResolver(riskSummaries)],
    [WebhookResolver, new WebhookResolver(webhooks, webhookRules)],
  ])
}
