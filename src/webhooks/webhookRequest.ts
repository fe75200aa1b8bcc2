import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { retryAfterSeconds } from './retryAfter.js'
import { guardedLookup, PrivateAddressError, type TargetRules, targetProblem } from './webhookTarget.js'

const TIMEOUT_MS = 10_000
// Only the status counts. The endpoint may finish an answer up to this size.
const MAX_ANSWER_BYTES = 16 * 1024

export interface WebhookRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Milliseconds since 1970, for an endpoint that names the time of the next call and not its own. */
  readonly now: number
  /** Aborts the request. */
  readonly signal: AbortSignal
}

export interface WebhookRequestOptions extends TargetRules {
  /** For the whole call: looking the name up, connecting, sending, reading. */
  readonly timeoutMs?: number
}

/** A request without an answer. The message is a sentence for the owner of the webhook; it does not hold the address. */
export class NoAnswerError extends Error {}

export interface WebhookAnswer {
  readonly status: number
  /** How long the endpoint asks to wait before the next call. */
  readonly retryAfterSeconds: number | undefined
}

/**
 * Posts to an endpoint and returns what counts of its answer. Follows no redirect.
 * @throws NoAnswerError when there was no answer, AbortError when the signal aborted the request
 */
export async function postWebhook(call: WebhookRequest, options: WebhookRequestOptions): Promise<WebhookAnswer> {
  const { timeoutMs = TIMEOUT_MS } = options
  // The rules may be stricter than when the webhook was created.
  const problem = targetProblem(call.url, options)
  if (problem !== undefined) throw new NoAnswerError(problem)
  call.signal.throwIfAborted()
  // Not AbortSignal.any: each call would leave memory behind on a signal that lives as long as the gateway.
  const end = new AbortController()
  const giveUp = () => end.abort()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    giveUp()
  }, timeoutMs)
  call.signal.addEventListener('abort', giveUp)
  try {
    const response = await send(call, options, end.signal)
    await drain(response)
    const { statusCode: status = 0, headersDistinct } = response
    return { status, retryAfterSeconds: retryAfterSeconds(headersDistinct, call.now) }
  } catch (error) {
    call.signal.throwIfAborted()
    throw new NoAnswerError(isLate ? `The endpoint did not answer within ${timeoutMs / 1_000} s.` : reason(error))
  } finally {
    clearTimeout(timer)
    call.signal.removeEventListener('abort', giveUp)
  }
}

function send({ url, headers, body }: WebhookRequest, options: TargetRules, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const isEncrypted = new URL(url).protocol === 'https:'
    const post = isEncrypted ? httpsRequest : httpRequest
    const request: ClientRequest = post(url, {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      lookup: guardedLookup(options, isEncrypted),
      // No connection is kept: it would stay open to an address that the name no longer leads to.
      agent: false,
      signal,
    })
    request.once('response', resolve)
    request.on('error', reject)
    request.end(body)
  })
}

/** Reads the answer to its end or to the bound. The status is known: a connection that breaks here does not matter. */
async function drain(response: IncomingMessage): Promise<void> {
  let bytes = 0
  try {
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length
      if (bytes > MAX_ANSWER_BYTES) break
    }
  } catch {}
  response.destroy()
}

const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'The endpoint refused the connection.',
  ECONNRESET: 'The endpoint closed the connection before it answered.',
  EPIPE: 'The endpoint closed the connection before it answered.',
  ENOTFOUND: "The endpoint's name is not known.",
  EAI_AGAIN: "The endpoint's name could not be looked up.",
  EHOSTUNREACH: 'The endpoint cannot be reached.',
  ENETUNREACH: 'The endpoint cannot be reached.',
  ETIMEDOUT: 'The endpoint cannot be reached.',
}

function reason(error: unknown): string {
  if (error instanceof PrivateAddressError) return error.message
  const { code } = error as { code?: unknown }
  if (typeof code !== 'string') return 'The endpoint could not be called.'
  return REASONS[code] ?? `The endpoint could not be called (${code}).`
}
