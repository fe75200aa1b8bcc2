import { AppError } from '../errors.js'
import { type ApiKeys, isOfApiKey } from './apiKeys.js'
import { API_KEY_PREFIX } from './apiKeyText.js'
import { onExpiry } from './onExpiry.js'
import type { Principal } from './principal.js'
import type { Tokens } from './tokens.js'
import { unauthenticated } from './unauthenticated.js'
import type { Withdrawals } from './withdrawals.js'

// A longer credential cannot be ours: it is refused before any parsing.
const MAX_LENGTH = 8_192

/** Why an open stream must end: a sentence for its client. */
export type EndOfCredential =
  | 'The access token has expired; ask for a new one.'
  | 'The API key has expired; ask for a new one.'
  | 'The credential was withdrawn.'

export interface AuthenticatorParts {
  readonly tokens: Pick<Tokens, 'authenticate'>
  readonly apiKeys: Pick<ApiKeys, 'authenticate'> & Partial<Pick<ApiKeys, 'lastConfirmed'>>
  readonly withdrawals: Withdrawals
}

/** Tells the transports who calls. */
export class Authenticator {
  readonly #parts: AuthenticatorParts

  constructor(parts: AuthenticatorParts) {
    this.#parts = parts
  }

  /**
   * The principal behind an Authorization header's value.
   * @throws AppError UNAUTHENTICATED without a valid credential; SERVICE_UNAVAILABLE when it cannot be checked at the moment
   */
  async authenticate(authorization: string | undefined): Promise<Principal> {
    const credential = credentialOf(authorization)
    const { apiKeys, tokens } = this.#parts
    return credential.startsWith(API_KEY_PREFIX) ? apiKeys.authenticate(credential) : tokens.authenticate(credential)
  }

  /**
   * As `authenticate`, but an API key that was valid when Postgres last answered passes while Postgres does not answer. For metrics
   * alone: they must show that very outage.
   */
  async authenticateInOutage(authorization: string | undefined): Promise<Principal> {
    try {
      return await this.authenticate(authorization)
    } catch (error) {
      const isOutage = error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE'
      const known = isOutage ? this.#parts.apiKeys.lastConfirmed?.(credentialOf(authorization)) : undefined
      if (known) return known
      throw error
    }
  }

  /** Calls back once when the principal's credential expires or is withdrawn. Returns a function that cancels this. */
  watch({ expiresAt, credential }: Principal, ended: (why: EndOfCredential) => void): () => void {
    const end = (why: EndOfCredential) => {
      callOff()
      ended(why)
    }
    const off = [
      onExpiry(expiresAt.getTime(), () =>
        end(`The ${isOfApiKey(credential) ? 'API key' : 'access token'} has expired; ask for a new one.`),
      ),
      this.#parts.withdrawals.watch(credential, () => end('The credential was withdrawn.')),
    ]
    const callOff = () => {
      for (const cancel of off) cancel()
    }
    return callOff
  }
}

function credentialOf(authorization: string | undefined): string {
  if (!authorization) throw unauthenticated('Send an access token or an API key: Authorization: Bearer <token>.')
  const credential = /^bearer ([\w.-]+)$/i.exec(authorization)?.[1]
  if (credential === undefined || credential.length > MAX_LENGTH) {
    throw unauthenticated('The Authorization header must have the form: Bearer <token>.')
  }
  return credential
}
