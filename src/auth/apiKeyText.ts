import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { uuidv7 } from 'uuidv7'

/** Every key begins with this, so that secret scanners find it. No JSON Web Token does: it begins with an encoded brace. */
export const API_KEY_PREFIX = 'riskgate_'
const SECRET_BYTES = 32
// The id without its dashes, the secret, and the checksum of both.
const FORM = /^riskgate_([0-9a-f]{32})_[\w-]{43}([0-9a-f]{8})$/
const CHECKSUM_LENGTH = 8

export interface NewApiKeyText {
  readonly id: string
  /** Shown once; only its client keeps it. */
  readonly text: string
  readonly digest: string
}

export function newApiKeyText(): NewApiKeyText {
  const id = uuidv7()
  const unchecked = `${apiKeyHint(id)}_${randomBytes(SECRET_BYTES).toString('base64url')}`
  const text = unchecked + checksumOf(unchecked)
  return { id, text, digest: sha256(text).toString('hex') }
}

/** The beginning of a key: enough to recognise it, and no part of its secret. */
export function apiKeyHint(id: string): string {
  return API_KEY_PREFIX + id.replaceAll('-', '')
}

/** The id within a key; undefined for a text that is no key, or has a typing mistake. Needs no database. */
export function apiKeyIdOf(text: string): string | undefined {
  const [, hex, checksum] = FORM.exec(text) ?? []
  if (hex === undefined || checksum !== checksumOf(text.slice(0, -CHECKSUM_LENGTH))) return undefined
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/** Whether the digest (SHA-256, hexadecimal) is that of the key. Takes the same time for every key, right or wrong. */
export function hasDigest(text: string, digest: string): boolean {
  const [given, stored] = [sha256(text), Buffer.from(digest, 'hex')]
  return given.length === stored.length && timingSafeEqual(given, stored)
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

function checksumOf(text: string): string {
  return crc32(text).toString(16).padStart(CHECKSUM_LENGTH, '0')
}
