import type { AlertLog } from '../alerts/feed.js'
import type { ModelRegistry } from '../releases/modelRegistry.js'
import type { PredictRisk } from '../scoring/predictRisk.js'
import type { HistoryStore } from '../storage/historyStore.js'
import { AlertResolver } from './alertResolver.js'
import { ApplicantResolver } from './applicantResolver.js'
import { HistoryResolver, PredictionConnectionFields } from './historyResolver.js'
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
  PredictionConnectionFields,
  ApplicantResolver,
  AlertResolver,
  ModelResolver,
  FeatureContractFields,
] as const

export interface ResolverParts {
  readonly predictRisk: PredictRisk
  readonly history: HistoryStore
  readonly alertLog: AlertLog
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
    [PredictionConnectionFields, new PredictionConnectionFields()],
    [ApplicantResolver, new ApplicantResolver()],
    [AlertResolver, new AlertResolver(alertLog)],
    [ModelResolver, new ModelResolver(models)],
    [FeatureContractFields, new FeatureContractFields()],
  ])
}
