import { errors, jwtVerify, SignJWT } from 'jose'
import { AppError } from '../errors.js'
import { permissionsOf } from './permissions.js'
import { DEFAULT_TENANT, type Principal, ROLES, type Role } from './principal.js'
import { unauthenticated } from './unauthenticated.js'

const ALGORITHM = 'HS256'
/** A token is taken for so long after it has expired, since clocks differ. */
const CLOCK_SKEW_SECONDS = 30
// Verifying costs about 30 us a call and front-ends send the same token for minutes: the last verified ones are remembered.
const MAX_REMEMBERED_TOKENS = 10_000
// They name or carry a key of the sender's choosing; ours come from the configuration alone.
const KEY_HEADERS = ['jku', 'jwk', 'x5u', 'x5c', 'crit', 'b64']
// A later one is no valid Date.
const LAST_INSTANT = 8.64e15
const NAME = /^[\x21-\x7e]{1,128}$/

export interface TokenSettings {
  /** Shared secret for HS256, at least 32 bytes. */
  readonly secret: Uint8Array
  readonly issuer: string
  readonly audience: string
}

export interface TokenRequest {
  readonly subject: string
  readonly tenant?: string
  readonly roles: readonly Role[]
  readonly ttlSeconds: number
}

/** Signs and verifies the JSON Web Tokens (RFC 7519) that callers present. */
export class Tokens {
  readonly #settings: TokenSettings
  readonly #verified = new Map<string, Principal>()

  constructor(settings: TokenSettings) {
    this.#settings = settings
  }

  /** @throws AppError BAD_USER_INPUT for a request whose token nobody would accept */
  async sign({ subject, tenant = DEFAULT_TENANT, roles, ttlSeconds }: TokenRequest): Promise<string> {
    if (!NAME.test(subject) || !NAME.test(tenant)) {
      throw new AppError('BAD_USER_INPUT', 'Subject and tenant take 1 to 128 ASCII characters without spaces.')
    }
    return new SignJWT({ tenant, roles: [...roles] })
      .setProtectedHeader({ alg: ALGORITHM, typ: 'JWT' })
      .setIssuer(this.#settings.issuer)
      .setAudience(this.#settings.audience)
      .setSubject(subject)
      .setIssuedAt()
      .setExpirationTime(`${ttlSeconds}s`)
      .sign(this.#settings.secret)
  }

  /** The principal of a token. @throws AppError UNAUTHENTICATED for any other text */
  async authenticate(token: string): Promise<Principal> {
    const remembered = this.#verified.get(token)
    if (remembered && remembered.expiresAt.getTime() > Date.now()) return remembered
    this.#verified.delete(token)
    const principal = await this.#verify(token)
    this.#remember(token, principal)
    return principal
  }

  async #verify(token: string): Promise<Principal> {
    const { secret, issuer, audience } = this.#settings
    try {
      const { payload, protectedHeader } = await jwtVerify(token, secret, {
        algorithms: [ALGORITHM],
        issuer,
        audience,
        clockTolerance: CLOCK_SKEW_SECONDS,
        requiredClaims: ['exp', 'sub'],
      })
      if (KEY_HEADERS.some(name => name in protectedHeader)) throw unauthenticated('The access token is not valid here.')
      return principalFrom(payload)
    } catch (error) {
      if (error instanceof AppError) throw error
      if (error instanceof errors.JWTExpired) throw unauthenticated('The access token has expired; ask for a new one.')
      throw unauthenticated('The access token is not valid here.')
    }
  }

  #remember(token: string, principal: Principal): void {
    if (this.#verified.size >= MAX_REMEMBERED_TOKENS) {
      const oldest = this.#verified.keys().next().value
      if (oldest !== undefined) this.#verified.delete(oldest)
    }
    this.#verified.set(token, principal)
  }
}

function principalFrom(claims: Record<string, unknown>): Principal {
  const { sub, exp, tenant = DEFAULT_TENANT, roles } = claims
  const known = Array.isArray(roles) ? ROLES.filter(role => roles.includes(role)) : []
  if (typeof sub !== 'string' || !NAME.test(sub)) throw unauthenticated('The access token names no usable subject.')
  if (typeof tenant !== 'string' || !NAME.test(tenant)) throw unauthenticated('The access token names no usable tenant.')
  return {
    id: sub,
    tenant,
    roles: known,
    permissions: permissionsOf(known),
    expiresAt: new Date(Math.min((Number(exp) + CLOCK_SKEW_SECONDS) * 1000, LAST_INSTANT)),
    credential: 'jwt:shared',
  }
}
