import type { Claims } from './claims.js'

// They name or carry a key of the sender's choosing, or change what is signed; ours come from the configuration alone.
const REFUSED_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64', 'zip', 'enc']
// RFC 9068 has its own type for access tokens; that of a logout token or of a security event is none of ours.
const TYPES = ['jwt', 'at+jwt', 'application/jwt', 'application/at+jwt']
// Names and marks of a JSON text; numbers and words do not matter here.
const JSON_MARKS = /"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/gs
// Neither replacement characters nor an ignored byte order mark: what is read must be what was signed.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export interface Jws {
  readonly algorithm: string
  /** `kid`: which of its issuer's keys has signed it. */
  readonly keyId: string | undefined
  readonly claims: Claims
}

/**
 * A compact JWS (RFC 7515) with claims, read strictly and not verified; undefined for anything that is not exactly one. Strictly,
 * since lenient readers differ: what one of them checks is then not what another one uses.
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

/** Not empty, and written in the one way that there is: no white space, no padding, no stray bits at its end. */
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

/** Of two claims of one name, JSON.parse takes the last and other readers the first. The text must be valid JSON. */
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
