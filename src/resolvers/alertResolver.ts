import { Arg, Query, Resolver, Root, Subscription } from 'type-graphql'
import type { AlertFeed, AlertLog } from '../alerts/feed.js'
import { AlertFilter, HighRiskAlert } from '../schema/alert.js'
import type { RequestContext } from './context.js'

/** What the subscription needs in its context: TypeGraphQL calls `subscribe` without the resolver's instance. */
export interface AlertContext extends RequestContext {
  readonly alertFeed: AlertFeed
}

interface SubscribeArguments {
  readonly after?: string | null
  readonly filter?: AlertFilter | null
}

@Resolver()
export class AlertResolver {
  readonly #log: AlertLog

  constructor(log: AlertLog) {
    this.#log = log
  }

  @Query(() => String, {
    description: 'The cursor of now: where a client without one starts. Clients refresh it while idle and resubscribe from it.',
  })
  alertCursor(): Promise<string> {
    return this.#log.now()
  }

  @Subscription(() => HighRiskAlert, {
    description:
      "Every high-risk score of the caller's tenant, at least once and in order. With `after`, first what came since that cursor, then live: nothing is missed over a disconnect.",
    subscribe: ({ args, context }) => subscribe(args as SubscribeArguments, context as AlertContext),
  })
  highRiskScored(
    @Root() alert: HighRiskAlert,
    @Arg('after', () => String, { nullable: true }) _after?: string | null,
    @Arg('filter', () => AlertFilter, { nullable: true }) _filter?: AlertFilter | null,
  ): HighRiskAlert {
    return alert
  }
}

function subscribe({ after, filter }: SubscribeArguments, { alertFeed, principal }: AlertContext) {
  const { bands, model } = filter ?? {}
  return alertFeed.subscribe({
    tenant: principal.tenant,
    after: after ?? undefined,
    matches: ({ prediction }) => (bands?.includes(prediction.band) ?? true) && (model == null || model === prediction.model),
  })
}
