import { compactVerify, errors, SignJWT } from 'jose'
import { LRUCache } from 'lru-cache'
import { type ClaimSettings, type Claims, claimsFor, principalOf } from './claims.js'
import { type Jws, readJws } from './jws.js'
import type { KeySet } from './keySet.js'
import { permissionsOf } from './permissions.js'
import { DEFAULT_TENANT, type Principal, type Role } from './principal.js'
import { unauthenticated } from './unauthenticated.js'

/** The algorithm of the shared secret; every other one is for keys of the issuer. */
const SHARED_ALGORITHM = 'HS256'
// No key of the issuer can have this name: theirs begin with jwt:.
const SHARED_CREDENTIAL = 'secret'
/** Clocks differ: a token is accepted for this long before it begins and after it has expired. */
const CLOCK_SKEW_SECONDS = 30
// Verifying costs about 100 us a call and front-ends send the same token for minutes: the tokens used last are
// remembered. A token may be as long as a header.
const MAX_REMEMBERED_CHARACTERS = 16_000_000
const CHARACTERS_OF_A_PRINCIPAL = 600
// A later second is not a valid Date.
const LAST_SECOND = 8.64e12 - CLOCK_SKEW_SECONDS

export interface TokenSettings extends Partial<ClaimSettings> {
  /** For HS256, at least 32 bytes. Absent: only keys of the issuer count. */
  readonly secret?: Uint8Array | undefined
  /** The secret before a rotation: verifies, never signs. */
  readonly previousSecret?: Uint8Array | undefined
  readonly issuer: string
  readonly audience: string
  /** The issuer's own keys. Absent: only the secrets count. */
  readonly keySet?: Pick<KeySet, 'find' | 'holds'> | undefined
  /** Called for each token: whether it was verified before. */
  readonly lookedUp?: ((isHit: boolean) => void) | undefined
}

export interface TokenRequest {
  readonly subject: string
  readonly tenant?: string
  readonly roles: readonly Role[]
  readonly ttlSeconds: number
}

/** Signs and verifies the JSON Web Tokens (RFC 7519, RFC 8725) that callers present. */
export class Tokens {
  readonly #settings: TokenSettings
  readonly #claims: ClaimSettings
  readonly #secrets: readonly Uint8Array[]
  readonly #verified = new LRUCache<string, Principal>({ maxSize: MAX_REMEMBERED_CHARACTERS, sizeCalculation: sizeOf })
  readonly #verifying = new Map<string, Promise<Principal>>()

  constructor(settings: TokenSettings) {
    const { secret, previousSecret, rolesClaim = 'roles', roleMap, tenantClaim = 'tenant', tenantMap } = settings
    this.#settings = settings
    this.#claims = { rolesClaim, roleMap, tenantClaim, tenantMap }
    this.#secrets = [secret, previousSecret].filter(given => given !== undefined)
  }

  /** @throws AppError BAD_USER_INPUT for a request whose token would never be accepted */
  async sign({ subject, tenant = DEFAULT_TENANT, roles, ttlSeconds }: TokenRequest): Promise<string> {
    const { secret, issuer, audience } = this.#settings
    if (!secret) throw new Error('There is no secret to sign with.')
    return new SignJWT(claimsFor({ subject, tenant, roles }, this.#claims))
      .setProtectedHeader({ alg: SHARED_ALGORITHM, typ: 'JWT' })
      .setIssuer(issuer)
      .setAudience(audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(`${ttlSeconds}s`)
      .sign(secret)
  }

  /** The principal of a token. @throws AppError UNAUTHENTICATED for any other text, SERVICE_UNAVAILABLE without the issuer's keys */
  async authenticate(token: string): Promise<Principal> {
    const remembered = this.#verified.get(token)
    const isRemembered = remembered !== undefined && remembered.expiresAt.getTime() > Date.now()
    this.#settings.lookedUp?.(isRemembered)
    if (isRemembered) return remembered
    this.#verified.delete(token)
    let verifying = this.#verifying.get(token)
    if (!verifying) {
      verifying = this.#verify(token).finally(() => this.#verifying.delete(token))
      this.#verifying.set(token, verifying)
    }
    return verifying
  }

  /** Forgets the tokens that this credential has verified: they must be verified anew. */
  forget(credential: string): void {
    for (const [token, principal] of this.#verified) {
      if (principal.credential === credential) this.#verified.delete(token)
    }
  }

  async #verify(token: string): Promise<Principal> {
    const jws = readJws(token)
    if (!jws) throw refused()
    // Before the signature: a token that is refused anyway must not cause a fetch of the issuer's keys.
    const expiresAt = this.#expiryOf(jws.claims)
    const { id, tenant, roles } = principalOf(jws.claims, this.#claims)
    const credential = await this.#verifySignature(token, jws)
    const principal = { id, tenant, roles, permissions: permissionsOf(roles), expiresAt, credential }
    this.#verified.set(token, principal)
    return principal
  }

  #expiryOf({ iss, aud, exp, nbf, iat }: Claims): Date {
    const { issuer, audience } = this.#settings
    const now = Date.now() / 1000
    const isForUs = aud === audience || (Array.isArray(aud) && aud.includes(audience))
    const isTimed = isInstant(exp) && (nbf === undefined || isInstant(nbf)) && (iat === undefined || isInstant(iat))
    if (iss !== issuer || !isForUs || !isTimed) throw refused()
    if (nbf !== undefined && nbf > now + CLOCK_SKEW_SECONDS)
      throw unauthenticated('The access token is not valid yet; use it later.')
    if (exp <= now - CLOCK_SKEW_SECONDS) throw unauthenticated('The access token has expired; ask for a new one.')
    return new Date((exp + CLOCK_SKEW_SECONDS) * 1000)
  }

  /** The credential that verified the token. A secret never tries an algorithm of the issuer's keys, nor the other way round. */
  async #verifySignature(token: string, { algorithm, keyId }: Jws): Promise<string> {
    if (algorithm === SHARED_ALGORITHM) {
      for (const secret of this.#secrets) {
        if (await isSigned(token, secret, algorithm)) return SHARED_CREDENTIAL
      }
      throw refused()
    }
    const { keySet } = this.#settings
    const found = await keySet?.find({ id: keyId, algorithm })
    // The key may leave the set during the verification.
    if (!found || !(await isSigned(token, found.key, found.algorithm)) || !keySet?.holds(found)) throw refused()
    return found.credential
  }
}

/** A token and its principal, in characters. */
function sizeOf(_principal: Principal, token: string): number {
  return token.length + CHARACTERS_OF_A_PRINCIPAL
}

async function isSigned(token: string, key: Parameters<typeof compactVerify>[1], algorithm: string): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return false
    throw error
  }
}

/** JSON.parse turns 1e999 into Infinity. */
function isInstant(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= LAST_SECOND
}

function refused() {
  return unauthenticated('The access token is not valid here; ask for a new one.')
}
