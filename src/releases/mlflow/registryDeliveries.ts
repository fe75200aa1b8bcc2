import { AcceptedDeliveries } from './acceptedDeliveries.js'
import { type Delivery, type DeliveryRefusal, verifyDelivery } from './webhookDelivery.js'

/** What became of a delivery. */
export type DeliveryResult =
  | DeliveryRefusal
  | 'ACCEPTED'
  /** A newer event of its subject came before. */
  | 'OUT_OF_ORDER'

/**
 * Takes the deliveries of MLflow's webhooks. Each is a hint that MLflow should be asked now: nothing that a delivery says is believed.
 */
export class RegistryDeliveries {
  readonly #secret: string
  readonly #poke: (name: string) => unknown
  readonly #accepted = new AcceptedDeliveries()

  /** `poke` sees to it that MLflow is asked, and does not reject. */
  constructor(secret: string, poke: (name: string) => unknown) {
    this.#secret = secret
    this.#poke = poke
  }

  receive(delivery: Delivery, nowMs = Date.now()): DeliveryResult {
    const isKnown = (id: string) => this.#accepted.isKnown(id, nowMs)
    const verified = verifyDelivery(delivery, { secrets: [this.#secret], nowMs, isKnown })
    if ('refused' in verified) return verified.refused
    if (!this.#accepted.accept(verified, nowMs)) return 'OUT_OF_ORDER'
    const { entity, data } = verified.event
    // The gateway itself writes tags, and no release depends on one.
    if (entity !== 'model_version_tag') this.#poke(data.name)
    return 'ACCEPTED'
  }
}
