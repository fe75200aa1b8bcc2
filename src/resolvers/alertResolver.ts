import type { GraphQLResolveInfo } from 'graphql'
import { Arg, Ctx, Int, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql'
import { AppError } from '../errors.js'
import {
  AcknowledgeAlertInput,
  AcknowledgeAlertPayload,
  AlertFilter,
  HighRiskAlert,
  HighRiskAlertConnection,
} from '../schema/alert.js'
import { Cost } from '../schema/cost.js'
import type { AlertStore } from '../storage/alerts/alertStore.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { RequestContext } from './context.js'
import { pageInfo, pageRequest, rowsOfPage } from './paging.js'
import { asksFor, notedBefore } from './subscriptionAudit.js'

// Our cursors are shorter. While the database is away a cursor is unchecked, so the audit cuts a longer one.
const LONGEST_CURSOR = 100

interface SubscribeArguments {
  readonly after?: string | null
  readonly filter?: AlertFilter | null
}

@Resolver()
export class AlertResolver {
  readonly #alerts: AlertStore

  constructor(alerts: AlertStore) {
    this.#alerts = alerts
  }

  @Cost({ rows: rowsOfPage })
  @Query(() => HighRiskAlertConnection, {
    description:
      'The same durable feed as the subscription, as a page: for clients that poll, and to look back. Oldest first; page size 1..100, 20 by default. Cursors are those of the subscription. Where a filter skips many alerts, a page can be short or empty although more follow: continue from its endCursor (backwards: startCursor).',
  })
  async alerts(
    @Ctx() { principal, audit }: RequestContext,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
    @Arg('last', () => Int, { nullable: true }) last?: number | null,
    @Arg('before', () => String, { nullable: true }) before?: string | null,
    @Arg('filter', () => AlertFilter, { nullable: true }) filter?: AlertFilter | null,
  ): Promise<HighRiskAlertConnection> {
    const request = pageRequest({ first, after, last, before })
    const wanted = toFilter(filter)
    const page = await this.#alerts.page({ ...request, tenant: principal.tenant, filter: wanted })
    await audit.alerts(wanted, page.entries)
    return {
      edges: page.entries.map(alert => ({ cursor: alert.cursor, node: alert })),
      nodes: [...page.entries],
      pageInfo: pageInfo(page, request),
    }
  }

  @Query(() => String, {
    description:
      'The cursor of the newest position in the feed: a client without a cursor starts here. Clients refresh it while idle and resubscribe from it.',
  })
  alertCursor(): Promise<string> {
    return this.#alerts.now()
  }

  @Mutation(() => AcknowledgeAlertPayload, {
    description:
      'Records that somebody has taken care of an alert. Safe to repeat: the first acknowledgement stays and is returned.',
  })
  async acknowledgeAlert(
    @Arg('input', () => AcknowledgeAlertInput) { alertId }: AcknowledgeAlertInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<AcknowledgeAlertPayload> {
    const id = asUuid(alertId)
    const alert = id && (await this.#alerts.acknowledge({ tenant: principal.tenant, id, principal: principal.id }))
    if (!alert) throw new AppError('NOT_FOUND', 'There is no such alert. Take the id from an alert of this feed.')
    return { alert }
  }

  @Subscription(() => HighRiskAlert, {
    description:
      "Every high-risk score of the caller's tenant, at least once and in order. With `after`, first the alerts since that cursor, then live ones: a disconnect loses nothing.",
    subscribe: ({ args, context, info }) => subscribe(args as SubscribeArguments, context as RequestContext, info),
  })
  highRiskScored(
    @Root() alert: HighRiskAlert,
    @Arg('after', () => String, { nullable: true }) _after?: string | null,
    @Arg('filter', () => AlertFilter, { nullable: true }) _filter?: AlertFilter | null,
  ): HighRiskAlert {
    return alert
  }
}

async function subscribe(
  { after, filter }: SubscribeArguments,
  { alertFeed, audit, principal }: RequestContext,
  info: GraphQLResolveInfo,
) {
  const wanted = toFilter(filter)
  const { bands, model, acknowledged } = wanted
  const alerts = await alertFeed.subscribe({
    tenant: principal.tenant,
    after: after ?? undefined,
    matches: ({ prediction, acknowledgedAt }) =>
      (bands?.includes(prediction.band) ?? true) &&
      (model === undefined || model === prediction.model) &&
      (acknowledged === undefined || acknowledged === (acknowledgedAt !== null)),
  })
  const begun = {
    after: after?.slice(0, LONGEST_CURSOR) ?? null,
    features: asksFor(info, 'features'),
    applicant: asksFor(info, 'applicant'),
  }
  return notedBefore(alerts, () => audit.subscription(wanted, begun))
}

/** Null means the same as absent. */
function toFilter(filter: AlertFilter | null | undefined) {
  const { bands, model, acknowledged } = filter ?? {}
  return { bands: bands ?? undefined, model: model ?? undefined, acknowledged: acknowledged ?? undefined }
}
