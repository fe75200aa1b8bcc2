import { z } from 'zod'
import { type SignatureAlgorithm, type VerificationKey, verificationKeyOf } from './verificationKey.js'

// A set of ten RSA keys with their certificates has about 25 KiB.
const MAX_BYTES = 256 * 1024
const MAX_KEYS = 100

const keySet = z.looseObject({ keys: z.array(z.unknown()).max(MAX_KEYS) })

/** Why there are no new keys: a sentence for the log. It quotes nothing from the answer. */
export class KeySetError extends Error {}

export interface KeySetSource {
  readonly url: URL
  readonly algorithms: readonly SignatureAlgorithm[]
  /** For the whole fetch: looking the name up, connecting, reading to the end. */
  readonly timeoutMs: number
}

/**
 * The usable keys that an issuer publishes (RFC 7517); at least one. Follows no redirect: it could lead to somebody else's keys,
 * or into the network behind this server.
 * @throws KeySetError
 */
export async function fetchKeySet({ url, algorithms, timeoutMs }: KeySetSource, stop: AbortSignal): Promise<VerificationKey[]> {
  // Not AbortSignal.any: each call would leave memory behind on a signal that lives as long as the gateway.
  const end = new AbortController()
  const giveUp = () => end.abort()
  let isLate = false
  const timer = setTimeout(() => {
    isLate = true
    giveUp()
  }, timeoutMs).unref()
  stop.addEventListener('abort', giveUp)
  try {
    stop.throwIfAborted()
    const response = await fetch(url, { redirect: 'manual', signal: end.signal, headers: { accept: 'application/json' } })
    if (response.status !== 200) {
      await response.body?.cancel()
      throw new KeySetError(`The issuer answered with status ${response.status}.`)
    }
    const keys = keysIn(await textOf(response), algorithms)
    if (keys.length === 0) throw new KeySetError('The key set holds no usable key.')
    return keys
  } catch (error) {
    if (error instanceof KeySetError) throw error
    if (isLate) throw new KeySetError(`The issuer did not answer within ${timeoutMs / 1_000} s.`)
    throw new KeySetError(`The key set could not be fetched (${codeOf(error)}).`)
  } finally {
    clearTimeout(timer)
    stop.removeEventListener('abort', giveUp)
  }
}

async function textOf({ body }: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of body ?? []) {
    bytes += chunk.length
    // Leaving the loop ends the connection.
    if (bytes > MAX_BYTES) throw new KeySetError(`The key set is longer than ${MAX_BYTES} bytes.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function keysIn(text: string, algorithms: readonly SignatureAlgorithm[]): VerificationKey[] {
  const { data, success } = keySet.safeParse(jsonOf(text))
  if (!success) throw new KeySetError(`The answer is not a JSON Web Key Set of at most ${MAX_KEYS} keys.`)
  const distinct = new Map<string, VerificationKey>()
  for (const entry of data.keys) {
    const key = verificationKeyOf(entry, algorithms)
    if (key) distinct.set(JSON.stringify([key.id, key.algorithm, key.fingerprint]), key)
  }
  return [...distinct.values()]
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new KeySetError('The answer is not JSON.')
  }
}

function codeOf(error: unknown): string {
  const { cause } = error as { cause?: { code?: unknown } }
  return typeof cause?.code === 'string' ? cause.code : 'no answer'
}
