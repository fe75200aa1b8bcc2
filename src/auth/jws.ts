import type { Claims } from './claims.js'

// They name or carry a key of the sender's choice, or change which bytes are signed. Our keys come from the configuration alone.
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc']
// RFC 9068 has its own type for access tokens. Other types, such as logout tokens and security events, are refused.
const TYPES = ['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']
// Strings and punctuation of a JSON text; numbers and literals do not matter here.
const JSON_MARKS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/gs
// No replacement characters and no ignored byte order mark: the text that is read must be the text that was signed.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface Jws {
  readonly algorithm: string
  /** `kid`: which of its issuer's keys signed it. */
  readonly keyId: string | undefined
  readonly claims: Claims
}

/**
 * A compact JWS (RFC 7515) with claims, not verified yet; undefined for anything else. It is read strictly, since lenient readers
 * differ: one of them could check other claims than the next one uses.
 */
export function readJws(token: string): Jws | undefined {
  const parts = token.split('.')
  const [header, claims] = parts.slice(0, 2).map(objectIn)
  if (parts.length !== 3 || !parts.every(isBase64url) || !header || !claims) return undefined
  const { alg, kid, typ } = header
  if (typeof alg !== 'string' || (kid !== undefined && typeof kid !== 'string')) return undefined
  if (typ !== undefined && !(typeof typ === 'string' && TYPES.includes(typ.toLowerCase()))) return undefined
  if (REFUSED_HEADERS.some(name => name in header)) return undefined
  return { algorithm: alg, keyId: kid, claims }
}

/** Not empty, and in the one canonical form: no white space, no padding, no stray bits at its end. */
function isBase64url(text: string): boolean {
  return text !== '' && Buffer.from(text, 'base64url').toString('base64url') === text
}

function objectIn(part: string): Record<string, unknown> | undefined {
  try {
    const text = utf8.decode(Buffer.from(part, 'base64url'))
    const value: unknown = JSON.parse(text)
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject && hasUniqueNames(text) ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

/** When a name occurs twice, JSON.parse takes the last claim and other readers the first. The text must be valid JSON. */
function hasUniqueNames(json: string): boolean {
  const open: Set<string>[] = []
  let last = ''
  for (const [mark] of json.matchAll(JSON_MARKS)) {
    if (mark === '{' || mark === '[') open.push(new Set())
    else if (mark === '}' || mark === ']') open.pop()
    else if (mark === ':') {
      const names = open.at(-1)
      const name = JSON.parse(last)
      if (names?.has(name)) return false
      names?.add(name)
    }
    last = mark
  }
  return true
}
