import { Arg, Ctx, FieldResolver, Int, Mutation, Query, Resolver, Root } from 'type-graphql'
import { actorOf } from '../auth/principal.js'
import { AppError, type Problem } from '../errors.js'
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
import type { NewWebhook, WebhookStore } from '../storage/webhooks/webhookStore.js'
import { newWebhookSecret } from '../webhooks/webhookSignature.js'
import { type TargetRules, targetProblem } from '../webhooks/webhookTarget.js'
import type { RequestContext } from './context.js'
import { pageRequest, rowsOfPage } from './paging.js'

const MAX_WEBHOOKS = 20
const LONGEST_DESCRIPTION = 200
const LONGEST_MODEL = 128
/** How long the secret before a rotation signs too: time to bring the new one to the receivers. */
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
    description: `Has high-risk scores from now on sent to a URL, at least once each. At most ${MAX_WEBHOOKS} webhooks a tenant.`,
  })
  async createWebhook(
    @Arg('input', () => CreateWebhookInput) input: CreateWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<WebhookSecretPayload> {
    const secret = newWebhookSecret()
    const webhook = await this.#store.create(actorOf(principal), toNewWebhook(input, secret, this.#rules), MAX_WEBHOOKS)
    if (!webhook) throw new AppError('BAD_USER_INPUT', `A tenant has at most ${MAX_WEBHOOKS} webhooks. Delete one first.`)
    return { webhook, secret }
  }

  @Mutation(() => WebhookSecretPayload, { description: 'Gives a webhook a new secret. The one before signs too for 24 hours.' })
  async rotateWebhookSecret(
    @Arg('input', () => RotateWebhookSecretInput) { webhookId }: RotateWebhookSecretInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<WebhookSecretPayload> {
    const [id, secret] = [asUuid(webhookId), newWebhookSecret()]
    const webhook = id && (await this.#store.rotateSecret(actorOf(principal), id, secret, OVERLAP_SECONDS))
    if (!webhook) throw noWebhook()
    return { webhook, secret }
  }

  @Mutation(() => DeleteWebhookPayload, { description: 'Deletes a webhook. What has not been delivered never will be.' })
  async deleteWebhook(
    @Arg('input', () => DeleteWebhookInput) { webhookId }: DeleteWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<DeleteWebhookPayload> {
    const id = asUuid(webhookId)
    if (!id || !(await this.#store.remove(actorOf(principal), id))) throw noWebhook()
    return { webhookId: id }
  }

  @Mutation(() => RedeliverWebhookPayload, { description: 'Begins a delivery anew, with all its attempts, whatever its state.' })
  async redeliverWebhook(
    @Arg('input', () => RedeliverWebhookInput) { deliveryId }: RedeliverWebhookInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<RedeliverWebhookPayload> {
    const id = asUuid(deliveryId)
    const delivery = id && (await this.#store.redeliver(actorOf(principal), id))
    if (!delivery) throw new AppError('NOT_FOUND', 'There is no delivery with this id.')
    return { delivery }
  }

  // Counts deliveries.
  @Cost({ weight: 10 })
  @FieldResolver(() => WebhookStatus)
  status(@Root() { id }: Webhook, @Ctx() { loaders }: RequestContext): Promise<WebhookStatus> {
    return loaders.webhookStatus.load(id)
  }

  @Cost({ rows: rowsOfPage })
  @FieldResolver(() => [WebhookDelivery], { description: 'The newest deliveries, 1..100 of them, 20 without a number.' })
  deliveries(
    @Root() { id }: Webhook,
    @Arg('first', () => Int, { nullable: true }) first: number | null | undefined,
    @Arg('state', () => WebhookDeliveryStateEnum, { nullable: true }) state: WebhookDelivery['state'] | null | undefined,
    @Ctx() { loaders }: RequestContext,
  ): Promise<WebhookDelivery[]> {
    const { size } = pageRequest({ first })
    return loaders.webhookDeliveries.load({ webhookId: id, limit: size, state: state ?? undefined })
  }
}

function noWebhook(): AppError {
  return new AppError('NOT_FOUND', 'There is no webhook with this id.')
}

/** Null means the same as absent. BAD_USER_INPUT with every problem at once. */
function toNewWebhook({ url, description, filter }: CreateWebhookInput, secret: string, rules: TargetRules): NewWebhook {
  const { bands = null, model = null } = filter ?? {}
  const problems: Problem[] = []
  const refuse = (message: string, ...path: string[]) => problems.push({ code: 'BAD_USER_INPUT', message, path })
  const wrongTarget = targetProblem(url, rules)
  if (wrongTarget !== undefined) refuse(wrongTarget, 'url')
  if (description && description.length > LONGEST_DESCRIPTION) {
    refuse(`The description must have at most ${LONGEST_DESCRIPTION} characters.`, 'description')
  }
  if (bands?.length === 0) refuse('Name at least one band, or leave bands out.', 'filter', 'bands')
  if (model !== null && (model === '' || model.length > LONGEST_MODEL)) {
    refuse(`The name of a model has 1 to ${LONGEST_MODEL} characters.`, 'filter', 'model')
  }
  const [first] = problems
  if (first) throw new AppError('BAD_USER_INPUT', first.message, { problems })
  return { url, description: description ?? null, secret, bands: bands && [...new Set(bands)], model }
}
