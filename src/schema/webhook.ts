import { Extensions, Field, Float, InputType, Int, ObjectType } from 'type-graphql'
import type { RiskBand } from '../scoring/bands.js'
import { AS_IT_CAME } from './canonicalArguments.js'
import { DateTime, ID, RiskBandEnum, WebhookDeliveryStateEnum } from './scalars.js'

type DeliveryState = keyof typeof WebhookDeliveryStateEnum

@ObjectType({ description: 'One alert on its way to one webhook.' })
export class WebhookDelivery {
  @Field(() => ID) id: string
  @Field(() => ID, { description: "The alert's id, and the webhook-id header of every attempt." }) alertId: string
  @Field(() => WebhookDeliveryStateEnum) state: DeliveryState
  @Field(() => Int, { description: 'Attempts that have ended since the last redelivery.' }) attempts: number
  @Field(() => Int, { nullable: true, description: 'HTTP status of the last answer; null when there was none.' })
  lastStatus: number | null
  @Field(() => String, { nullable: true, description: 'Why the last attempt failed.' }) lastError: string | null
  @Field(() => DateTime) createdAt: Date
  @Field(() => DateTime, { nullable: true }) lastAttemptAt: Date | null
}

@ObjectType({ description: 'The state of the deliveries of a webhook.' })
export class WebhookStatus {
  @Field(() => Int, { description: 'Deliveries that are still tried; the count stops at 10,000.' }) pending: number
  @Field(() => Int, { description: 'Deliveries that were given up; the count stops at 10,000.' }) dead: number
  @Field(() => DateTime, { nullable: true }) lastDeliveredAt: Date | null
  @Field(() => DateTime, { nullable: true, description: 'The last failed attempt of a delivery that has not succeeded since.' })
  lastFailedAt: Date | null
  @Field(() => String, { nullable: true, description: 'Why that attempt failed.' }) lastFailure: string | null
  @Field(() => Float, {
    description: 'Age of the oldest alert that the webhook has not taken from the feed yet; 0 when it has taken all.',
  })
  lagSeconds: number
}

@ObjectType({
  description: 'A subscriber to high-risk scores that is called over HTTP. Calls are signed according to Standard Webhooks.',
})
export class Webhook {
  @Field(() => ID) id: string
  @Field(() => String) url: string
  @Field(() => String, { nullable: true }) description: string | null
  @Field(() => [RiskBandEnum], { nullable: true, description: 'Only alerts of these bands; null means all bands.' })
  bands: readonly RiskBand[] | null
  @Field(() => String, { nullable: true, description: 'Only alerts of this model; null means all models.' }) model: string | null
  @Field(() => DateTime) createdAt: Date
  @Field(() => String, { description: 'The principal that created it.' }) createdBy: string
  @Field(() => DateTime, { nullable: true, description: 'Until when the secret before the last rotation also signs.' })
  previousSecretUntil: Date | null
}

@InputType({ description: 'Which alerts a webhook is called for; all conditions must hold.' })
export class WebhookFilter {
  @Field(() => [RiskBandEnum], { nullable: true }) bands?: RiskBand[] | null
  @Field(() => String, { nullable: true }) model?: string | null
}

@InputType()
export class CreateWebhookInput {
  // In another spelling it would be another address.
  @Extensions(AS_IT_CAME)
  @Field(() => String, { description: 'https:// and a public address; at most 2,048 characters.' })
  url: string
  @Field(() => String, { nullable: true, description: 'What it is for; at most 200 characters.' }) description?: string | null
  @Field(() => WebhookFilter, { nullable: true }) filter?: WebhookFilter | null
}

@InputType()
export class RotateWebhookSecretInput {
  @Field(() => ID) webhookId: string
}

@InputType()
export class DeleteWebhookInput {
  @Field(() => ID) webhookId: string
}

@InputType()
export class RedeliverWebhookInput {
  @Field(() => ID) deliveryId: string
}

@ObjectType()
export class WebhookSecretPayload {
  @Field(() => Webhook) webhook: Webhook
  @Field(() => String, { description: 'whsec_ and 32 bytes in base64. It is shown only this once.' }) secret: string
}

@ObjectType()
export class DeleteWebhookPayload {
  @Field(() => ID) webhookId: string
}

@ObjectType()
export class RedeliverWebhookPayload {
  @Field(() => WebhookDelivery) delivery: WebhookDelivery
}
