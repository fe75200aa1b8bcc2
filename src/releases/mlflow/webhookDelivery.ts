import { createHmac, timingSafeEqual } from 'node:crypto'
import { type RegistryEvent, readEvent } from './registryEvent.js'

/** A delivery may be this late, or this far ahead of our clock. */
export const MAX_AGE_MS = 5 * 60_000

/** A call of MLflow's registry webhooks: three headers, and the body as it came. */
export interface Delivery {
  /** X-MLflow-Delivery-Id */
  readonly id: string | undefined
  /** X-MLflow-Timestamp: seconds since 1970. */
  readonly timestamp: string | undefined
  /** X-MLflow-Signature: v1,<Base64 of HMAC-SHA256 over "id.timestamp.body">. */
  readonly signature: string | undefined
  readonly body: Uint8Array
}

export interface DeliveryRules {
  /** Several while a secret is replaced. */
  readonly secrets: readonly string[]
  readonly nowMs: number
  /** Whether a delivery of this id was accepted before, within the last ten minutes. */
  readonly isKnown: (id: string) => boolean
}

export type DeliveryRefusal =
  | 'UNSIGNED'
  | 'FORGED'
  | 'LATE'
  /** It was accepted before. */
  | 'REPLAYED'
  /** It is signed, and of no kind that riskgate knows. */
  | 'OTHER_EVENT'

export type Verified = { readonly id: string; readonly event: RegistryEvent } | { readonly refused: DeliveryRefusal }

/** Verifies a delivery of MLflow 3 (mlflow/webhooks/delivery.py). Nothing of the body is read before its signature is right. */
export function verifyDelivery(
  { id, timestamp, signature, body }: Delivery,
  { secrets, nowMs, isKnown }: DeliveryRules,
): Verified {
  if (!id || !timestamp || !signature) return { refused: 'UNSIGNED' }
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body])
  if (!secrets.some(secret => isSignedWith(secret, signed, signature))) return { refused: 'FORGED' }
  if (!/^\d{1,12}$/.test(timestamp) || Math.abs(nowMs - Number(timestamp) * 1_000) > MAX_AGE_MS) return { refused: 'LATE' }
  if (isKnown(id)) return { refused: 'REPLAYED' }
  const event = readEvent(Buffer.from(body).toString('utf8'))
  return event ? { id, event } : { refused: 'OTHER_EVENT' }
}

function isSignedWith(secret: string, signed: Uint8Array, signature: string): boolean {
  const [, given] = /^v1,([A-Za-z0-9+/]{43}=)$/.exec(signature) ?? []
  // Anyone can sign with an empty secret.
  if (given === undefined || secret === '') return false
  return timingSafeEqual(createHmac('sha256', secret).update(signed).digest(), Buffer.from(given, 'base64'))
}
