import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import type { AddressLimit } from './limits/addressLimit.js'

const PATH = '/mlflow/webhook'
// A delivery of an alias has 200 bytes; the description of a version may be long.
const MAX_BYTES = 64 * 1024

/** A call of MLflow's registry webhooks, as it came. */
export interface RegistryDelivery {
  readonly id: string | undefined
  readonly timestamp: string | undefined
  readonly signature: string | undefined
  readonly body: Uint8Array
}

/** Verifies a delivery, and sees to what it says. */
export type ReceiveDelivery = (delivery: RegistryDelivery) => string

/** What a caller reads who is not MLflow with the right secret and the right clock. */
const REFUSALS: Readonly<Record<string, string>> = {
  UNSIGNED: 'The delivery is not signed: give the webhook in MLflow the secret of RISKGATE_MLFLOW_WEBHOOK_SECRET.',
  FORGED: 'The signature of the delivery is wrong: the webhook in MLflow needs the secret of RISKGATE_MLFLOW_WEBHOOK_SECRET.',
  LATE: 'The delivery was signed more than five minutes ago, or ahead of the clock here.',
}

/**
 * Takes the deliveries of MLflow's registry webhooks. Everything with a right signature is answered with 200, what was seen before, is out
 * of order or of another kind too: MLflow repeats a delivery that fails.
 */
export async function serveMlflowWebhook(
  server: FastifyInstance,
  receive: ReceiveDelivery,
  addresses: AddressLimit,
): Promise<void> {
  await server.register(async scope => {
    // The signature covers the bytes as they came.
    scope.removeAllContentTypeParsers()
    scope.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request: FastifyRequest, body, done) =>
      done(null, body),
    )
    scope.post(PATH, { bodyLimit: MAX_BYTES }, async ({ headers, raw, body }, reply: FastifyReply) => {
      const result = receive({
        id: textOf(headers['x-mlflow-delivery-id']),
        timestamp: textOf(headers['x-mlflow-timestamp']),
        signature: textOf(headers['x-mlflow-signature']),
        body: Buffer.isBuffer(body) ? body : Buffer.alloc(0),
      })
      const refusal = REFUSALS[result]
      if (refusal === undefined) return reply.send({ result })
      const error = new AppError('UNAUTHENTICATED', refusal)
      throw (await addresses.failed(addresses.addressOf(raw), error)) ?? error
    })
  })
}

function textOf(header: string | readonly string[] | undefined): string | undefined {
  return typeof header === 'string' ? header : undefined
}
