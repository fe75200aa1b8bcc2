import type { ModelRegistry } from '../releases/modelRegistry.js'
import type { PredictRisk } from '../scoring/predictRisk.js'
import type { AlertStore } from '../storage/alertStore.js'
import type { HistoryStore } from '../storage/historyStore.js'
import { AlertResolver } from './alertResolver.js'
import { ApplicantResolver } from './applicantResolver.js'
import { HistoryResolver } from './historyResolver.js'
import { FeatureContractFields, ModelResolver } from './modelResolver.js'
import { PredictionFields } from './predictionFields.js'
import { PredictionResolver } from './predictionResolver.js'
import { ViewerResolver } from './viewerResolver.js'

/** All resolver classes: what the schema is made of. */
export const RESOLVERS = [
  ViewerResolver,
  PredictionResolver,
  PredictionFields,
  HistoryResolver,
  ApplicantResolver,
  AlertResolver,
  ModelResolver,
  FeatureContractFields,
] as const

export interface ResolverParts {
  readonly predictRisk: PredictRisk
  readonly history: HistoryStore
  readonly alertLog: AlertStore
  readonly models: ModelRegistry
}

/** The instance of each resolver class. */
export function createResolvers({ predictRisk, history, alertLog, models }: ResolverParts): ReadonlyMap<unknown, object> {
  const contracts = models.models.map(({ contract }) => contract)
  return new Map<unknown, object>([
    [ViewerResolver, new ViewerResolver()],
    [PredictionResolver, new PredictionResolver(predictRisk, contracts)],
    [PredictionFields, new PredictionFields(models)],
    [HistoryResolver, new HistoryResolver(history)],
    [ApplicantResolver, new ApplicantResolver(history)],
    [AlertResolver, new AlertResolver(alertLog)],
    [ModelResolver, new ModelResolver(models)],
    [FeatureContractFields, new FeatureContractFields()],
  ])
}
