import { Arg, Ctx, FieldResolver, Int, Mutation, Query, Resolver, Root } from 'type-graphql'
import { actorOf } from '../auth/principal.js'
import { AppError } from '../errors.js'
import { Cost } from '../schema/cost.js'
import { WebhookDeliveryStateEnum } from '../schema/scalars.js'
import {
  CreateWebhookInput,
  DeleteWebhookInput,
  DeleteWebhookPayload,
  RedeliverWebhookInput,
  RedeliverWebhookPayload,
  RotateWebhookSecretInput,
  Webhook,
  WebhookDelivery,
  WebhookSecretPayload,
  WebhookStatus,
} from '../schema/webhook.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { WebhookStore } from '../storage/webhooks/webhookStore.js'
import { createWebhook, MAX_WEBHOOKS } from '../webhooks/createWebhook.js'
import { newWebhookSecret } from '../webhooks/webhookSignature.js'
import type { TargetRules } from '../webhooks/webhookTarget.js'
import type { RequestContext } from './context.js'
import { pageRequest, rowsOfPage } from './paging.js'

/** How long the previous secret also signs after a rotation: time to bring the new one to the receivers. */
const OVERLAP_SECONDS = 24 * 3_600

@Resolver(() => Webhook)
export class WebhookResolver {
  readonly #store: WebhookStore
  readonly #rules: TargetRules

  constructor(store: WebhookStore, rules: TargetRules) {
    this.#store = store
    this.#rules = rules
  }

  @Cost({ size: MAX_WEBHOOKS })
  @Query(() => [Webhook], { description: 'The webhooks of the tenant, the oldest first.' })
  webhooks(@Ctx() { principal }: RequestContext): Promise<Webhook[]> {
    return this.#store.list(principal.tenant)
  }

  @Mutation(() => WebhookSecretPayload, {
    description: `Sends every high-risk score from now on to a URL, each at least once. At most ${MAX_WEBHOOKS} webhooks for each tenant.`,
  })
  createWebhook(
    @Arg('input', () => CreateWebhookInput) input: CreateWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<WebhookSecretPayload> {
    return createWebhook(this.#store, actorOf(principal), input, this.#rules)
  }

  @Mutation(() => WebhookSecretPayload, {
    description: 'Gives a webhook a new secret. Each one before also signs for 24 hours after it was replaced; at most ten do.',
  })
  async rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput) { webhookId }: RotateWebhookSecretInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<WebhookSecretPayload> {
    const [id, secret] = [asUuid(webhookId), newWebhookSecret()]
    const webhook = id && (await this.#store.rotateSecret(actorOf(principal), id, secret, OVERLAP_SECONDS))
    if (!webhook) throw noWebhook()
    return { webhook, secret }
  }

  @Mutation(() => DeleteWebhookPayload, { description: 'Deletes a webhook. Alerts that it has not delivered yet never will be.' })
  async deleteWebhook(
    @Arg('input', () => DeleteWebhookInput) { webhookId }: DeleteWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<DeleteWebhookPayload> {
    const id = asUuid(webhookId)
    if (!id || !(await this.#store.remove(actorOf(principal), id))) throw noWebhook()
    return { webhookId: id }
  }

  @Mutation(() => RedeliverWebhookPayload, { description: 'Starts a delivery again, with all its attempts, whatever its state.' })
  async redeliverWebhook(
    @Arg('input', () => RedeliverWebhookInput) { deliveryId }: RedeliverWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<RedeliverWebhookPayload> {
    const id = asUuid(deliveryId)
    const delivery = id && (await this.#store.redeliver(actorOf(principal), id))
    if (!delivery)
      throw new AppError('NOT_FOUND', 'There is no delivery with this id. Take the id from the deliveries of webhooks.')
    return { delivery }
  }

  // It counts deliveries.
  @Cost({ weight: 10 })
  @FieldResolver(() => WebhookStatus)
  status(@Root() { id }: Webhook, @Ctx() { loaders }: RequestContext): Promise<WebhookStatus> {
    return loaders().webhookStatus.load(id)
  }

  @Cost({ rows: rowsOfPage })
  @FieldResolver(() => [WebhookDelivery], { description: 'The newest deliveries: 1..100, 20 by default.' })
  deliveries(
    @Root() { id }: Webhook,
    @Arg('first', () => Int, { nullable: true }) first: number | null | undefined,
    @Arg('state', () => WebhookDeliveryStateEnum, { nullable: true }) state: WebhookDelivery['state'] | null | undefined,
    @Ctx() { loaders }: RequestContext,
  ): Promise<WebhookDelivery[]> {
    const { size } = pageRequest({ first })
    return loaders().webhookDeliveries.load({ webhookId: id, limit: size, state: state ?? undefined })
  }
}

function noWebhook(): AppError {
  return new AppError('NOT_FOUND', 'There is no webhook with this id. Take the id from webhooks.')
}
