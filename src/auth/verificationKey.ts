import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'

/** The kind of key of each algorithm. Asymmetric ones only: a key set that everyone may read can never hold a shared secret. */
const KEY_BY_ALGORITHM = {
  RS256: 'rsa',
  RS384: 'rsa',
  RS512: 'rsa',
  PS256: 'rsa',
  PS384: 'rsa',
  PS512: 'rsa',
  ES256: 'prime256v1',
  ES384: 'secp384r1',
  ES512: 'secp521r1',
  EdDSA: 'ed25519',
} as const
export type SignatureAlgorithm = keyof typeof KEY_BY_ALGORITHM
export const SIGNATURE_ALGORITHMS = Object.keys(KEY_BY_ALGORITHM) as SignatureAlgorithm[]

const MIN_RSA_BITS = 2_048
// Verifying with a longer key takes so long that each token would be an attack.
const MAX_RSA_BITS = 8_192
const MIN_RSA_EXPONENT = 3n
const MAX_RSA_EXPONENT = 2n ** 32n
const MAX_ID_LENGTH = 256
const SECRET_MEMBERS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k', 'priv']

const publicJwk = z.looseObject({
  kty: z.enum(['RSA', 'EC', 'OKP']),
  kid: z.string().min(1).max(MAX_ID_LENGTH).optional(),
  alg: z.string().optional(),
  use: z.literal('sig').optional(),
  key_ops: z
    .array(z.string())
    .refine(operations => operations.includes('verify'))
    .optional(),
})

/** A public key of an issuer. It verifies with one algorithm only. */
export interface VerificationKey {
  /** Its `kid`, where it has one. */
  readonly id: string | undefined
  readonly algorithm: SignatureAlgorithm
  readonly key: KeyObject
  /** Computed from the key itself, whatever its id. */
  readonly fingerprint: string
  /** The credential of the principals whose tokens it has verified. */
  readonly credential: string
}

/**
 * The key in a JSON Web Key (RFC 7517); undefined when it is not for signatures, too weak, or not public. A key that names no
 * algorithm gets the first allowed one that fits it: never two, since one of them may be broken.
 */
export function verificationKeyOf(given: unknown, allowed: readonly SignatureAlgorithm[]): VerificationKey | undefined {
  const parsed = publicJwk.safeParse(given)
  if (!parsed.success || SECRET_MEMBERS.some(name => Object.hasOwn(parsed.data, name))) return undefined
  const { kid: id, alg } = parsed.data
  const key = importKey(parsed.data)
  if (!key || isWeak(key)) return undefined
  const algorithm = allowed.find(name => KEY_BY_ALGORITHM[name] === kindOf(key) && (alg === undefined || alg === name))
  if (!algorithm) return undefined
  const fingerprint = createHash('sha256')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest('base64url')
  return { id, algorithm, key, fingerprint, credential: `jwt:${id ?? fingerprint}` }
}

function importKey(jwk: Record<string, unknown>): KeyObject | undefined {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' })
  } catch {
    return undefined
  }
}

function kindOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): string | undefined {
  return asymmetricKeyType === 'ec' ? asymmetricKeyDetails?.namedCurve : asymmetricKeyType
}

function isWeak({ asymmetricKeyType, asymmetricKeyDetails = {} }: KeyObject): boolean {
  if (asymmetricKeyType !== 'rsa') return false
  const { modulusLength = 0, publicExponent = 0n } = asymmetricKeyDetails
  const isOddAndInRange = publicExponent % 2n === 1n && publicExponent >= MIN_RSA_EXPONENT && publicExponent <= MAX_RSA_EXPONENT
  return modulusLength < MIN_RSA_BITS || modulusLength > MAX_RSA_BITS || !isOddAndInRange
}
