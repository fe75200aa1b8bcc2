import DataLoader from 'dataloader'
import { defaultFieldResolver, type GraphQLSchema } from 'graphql'
import { type Principal, visibilityOf } from '../auth/principal.js'
import type { ModelReleases, RolloutStore } from '../releases/rollout/rolloutStore.js'
import type { FeatureValues } from '../scoring/features.js'
import type { LatestPredictions } from '../scoring/latestPredictions.js'
import type { Outcome, Prediction } from '../scoring/prediction.js'
import type { ApplicantQuery, HistoryPage, HistoryTotal } from '../storage/history/historyQuery.js'
import type { HistoryStore } from '../storage/history/historyStore.js'
import type { OutcomeStore } from '../storage/predictions/outcomeStore.js'
import type { WebhookStore } from '../storage/webhooks/webhookStore.js'
import type { AuditTrail } from './auditTrail.js'
import { predictionsOf } from './paging.js'
import { type WebhookLoaders, webhookLoaders } from './webhookLoaders.js'

export interface LoaderSources {
  readonly history: HistoryStore
  readonly latest: LatestPredictions
  readonly outcomes: OutcomeStore
  readonly webhooks: WebhookStore
  readonly rollouts: Pick<RolloutStore, 'read'>
}

export interface Loaders extends WebhookLoaders {
  readonly predictionById: DataLoader<string, Prediction | null>
  readonly featuresById: DataLoader<string, FeatureValues | null>
  readonly outcomeById: DataLoader<string, Outcome | null>
  readonly latestOfApplicant: DataLoader<string, Prediction | null>
  readonly pageOfApplicant: DataLoader<ApplicantQuery, HistoryPage, string>
  readonly totalOfApplicant: DataLoader<string, HistoryTotal>
  readonly releasesOfModel: DataLoader<string, ModelReleases>
}

/**
 * Creates the loaders of one operation, which load only rows that its principal may see. A stream outlives its rows, so its
 * loaders batch but cache nothing. They are not audited, since the subscription itself is in the audit. All other loads are
 * audited before they are answered.
 */
export function createLoaders(
  { history, latest, outcomes, webhooks, rollouts }: LoaderSources,
  principal: Principal,
  { isStream, audit }: { readonly isStream: boolean; readonly audit: AuditTrail },
): Loaders {
  const visibility = visibilityOf(principal)
  const cache = !isStream
  const trail = isStream ? undefined : audit

  async function latestOf(applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    // The cache holds the tenant's newest prediction, which a principal that sees only its own may not see. It may also be older
    // than a write that Redis has missed, and a principal that writes must always see its own.
    if (visibility.requestedBy !== undefined || principal.permissions.has('prediction:create')) {
      return byApplicant(await history.latestOf(visibility, applicantIds))
    }
    const remembered = await latest.find(principal.tenant, applicantIds)
    const missing = applicantIds.filter(id => !remembered.has(id))
    if (missing.length === 0) return remembered
    const found = await history.latestOf(visibility, missing)
    await latest.remember(found)
    return new Map([...remembered, ...byApplicant(found)])
  }

  const pageOfApplicant: Loaders['pageOfApplicant'] = new DataLoader(
    async queries => {
      const pages = await history.pagesOfApplicants(visibility, queries)
      const shown = queries.flatMap((query, i) => {
        const page = pages[i]
        if (page && !(page instanceof Error)) return { applicantId: query.applicantId, predictions: predictionsOf(page) }
        // The next field may ask again.
        pageOfApplicant.clear(query)
        return []
      })
      await trail?.applicants('applicant.predictions', shown)
      return pages
    },
    { cache, cacheKeyFn: ({ applicantId, size, after }) => JSON.stringify([applicantId, size, after]) },
  )

  return {
    predictionById: loader(async ids => {
      const found = new Map((await history.findByIds(visibility, ids)).map(prediction => [prediction.id, prediction]))
      await trail?.predictions('prediction', [...found.values()])
      return ids.map(id => found.get(id) ?? null)
    }, cache),
    featuresById: loader(async ids => {
      const found = await history.featuresOf(principal.tenant, ids)
      await trail?.features(ids.filter(id => found.get(id)))
      return ids.map(id => found.get(id) ?? null)
    }, cache),
    outcomeById: loader(async ids => {
      const found = await outcomes.findByIds(principal.tenant, ids)
      return ids.map(id => found.get(id) ?? null)
    }, cache),
    latestOfApplicant: loader(async ids => {
      const found = await latestOf(ids)
      const shown = [...found].map(([applicantId, prediction]) => ({ applicantId, predictions: [prediction] }))
      await trail?.applicants('applicant', shown)
      return ids.map(id => found.get(id) ?? null)
    }, cache),
    pageOfApplicant,
    totalOfApplicant: loader(ids => history.totalsOfApplicants(visibility, ids), cache),
    // A model is read by one statement; there are few models.
    releasesOfModel: loader(models => Promise.all(models.map(model => rollouts.read(model))), cache),
    ...webhookLoaders(webhooks, principal.tenant),
  }
}

/**
 * Lets each mutation forget what its operation has loaded so far. Its answer, which loads after its write, then shows what it has
 * written.
 */
export function forgetLoadedBeforeMutations(schema: GraphQLSchema): void {
  for (const field of Object.values(schema.getMutationType()?.getFields() ?? {})) {
    const { resolve = defaultFieldResolver } = field
    field.resolve = (source, args, context: { readonly forgetLoaded: () => void }, info) => {
      context.forgetLoaded()
      return resolve(source, args, context, info)
    }
  }
}

function loader<T>(load: (keys: readonly string[]) => Promise<T[]>, cache: boolean): DataLoader<string, T> {
  return new DataLoader<string, T>(load, { cache })
}

function byApplicant(predictions: readonly Prediction[]): ReadonlyMap<string, Prediction> {
  return new Map(predictions.map(prediction => [prediction.applicantId, prediction]))
}
