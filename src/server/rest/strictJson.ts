import { AppError } from '../../errors.js'

// The bytes of " \ : { [
const QUOTE = 0x22
const BACKSLASH = 0x5c
const COLON = 0x3a
const BRACE = 0x7b
const BRACKET = 0x5b
// For 100 rows of nearly 300 features. 1 MiB of single letters would block the event loop for a fifth of a second.
const MOST_KEYS = 30_000
const MOST_CONTAINERS = 1_000
const NOT_JSON = 'The request body is not JSON. Send valid JSON.'

/**
 * Reads JSON (RFC 8259) in UTF-8 as senders and receivers must both understand it: with each key of an object once. JSON.parse takes
 * the last of equal keys, where a proxy before us may have checked the first.
 * @throws AppError BAD_REQUEST, QUERY_TOO_COMPLEX
 */
export function strictJson(bytes: Buffer): unknown {
  const { keys, containers } = structureOf(bytes)
  if (keys > MOST_KEYS || containers > MOST_CONTAINERS) {
    throw new AppError('QUERY_TOO_COMPLEX', 'The request body holds too many values. Send fewer rows in one request.')
  }
  const value = parsed(bytes.toString())
  if (keys !== keysIn(value)) {
    throw new AppError('BAD_REQUEST', 'An object in the request body has the same key twice. Send each key once.')
  }
  return value
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw new AppError('BAD_REQUEST', NOT_JSON)
  }
}

/** Counts keys by their colons, and objects with lists. Byte by byte: a pattern may search a hostile text again and again. */
function structureOf(bytes: Buffer): { keys: number; containers: number } {
  let keys = 0
  let containers = 0
  let isString = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]
    if (byte === QUOTE) isString = !isString
    else if (isString) {
      // The next byte is escaped, which may be a quote.
      if (byte === BACKSLASH) i++
    } else if (byte === COLON) keys++
    else if (byte === BRACE || byte === BRACKET) containers++
  }
  return { keys, containers }
}

function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  let count = 0
  if (Array.isArray(value)) for (const item of value) count += keysIn(item)
  // JSON.parse makes plain objects, so that all their enumerable keys are their own.
  else for (const key in value) count += 1 + keysIn((value as Record<string, unknown>)[key])
  return count
}
