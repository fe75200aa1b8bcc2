import { AppError } from '../errors.js'
import { ApiKeyLookup } from './apiKeyLookup.js'
import type { ApiKeySource, StoredApiKey } from './apiKeySource.js'
import { apiKeyIdOf, hasDigest } from './apiKeyText.js'
import { permissionsOf } from './permissions.js'
import { type Principal, ROLES } from './principal.js'
import { unauthenticated } from './unauthenticated.js'
import type { Withdrawals } from './withdrawals.js'

/** This prefix and the key's id are the credential of a principal that calls with an API key. */
const CREDENTIAL_PREFIX = 'key:'
// A revoked key is refused within a second, even when the database stops answering: each confirmation counts for this long.
const LONGEST_UNCONFIRMED_MS = 900
const MAX_REMEMBERED = 10_000
const FORGOTTEN_AFTER_MS = 600_000
const IDS_A_STATEMENT = 1_000

export interface ApiKeysParts {
  readonly source: ApiKeySource
  readonly withdrawals: Withdrawals
  /** Called for each key: whether it was confirmed a moment ago. */
  readonly lookedUp?: ((isHit: boolean) => void) | undefined
}

interface Known {
  readonly id: string
  readonly text: string
  readonly principal: Principal
  /** When the source was last asked and confirmed the key, on the clock of `performance`. */
  confirmedAt: number
  usedAt: number
}

/** Finds out who calls with an API key and whether the key is valid, and notes its use. Keys in use are remembered. */
export class ApiKeys {
  readonly #source: ApiKeySource
  readonly #withdrawals: Withdrawals
  readonly #lookup: ApiKeyLookup
  readonly #lookedUp: (isHit: boolean) => void
  readonly #byText = new Map<string, Known>()
  readonly #byId = new Map<string, Known>()
  /** Uses that are not noted yet, by the key's id. */
  #uses = new Map<string, number>()

  constructor({ source, withdrawals, lookedUp = () => {} }: ApiKeysParts) {
    this.#lookedUp = lookedUp
    this.#source = source
    this.#withdrawals = withdrawals
    this.#lookup = new ApiKeyLookup(source)
  }

  /** The principal of a key. @throws AppError UNAUTHENTICATED for any other text, SERVICE_UNAVAILABLE without an answer */
  async authenticate(text: string): Promise<Principal> {
    const remembered = this.#byText.get(text)
    const isKnown = remembered !== undefined && isConfirmed(remembered)
    this.#lookedUp(isKnown)
    const known = isKnown ? remembered : await this.#find(text)
    const now = Date.now()
    if (known.principal.expiresAt.getTime() <= now) {
      this.#forget(known)
      throw unauthenticated('The API key has expired; ask for a new one.')
    }
    known.usedAt = now
    this.#uses.set(known.id, now)
    return known.principal
  }

  /**
   * The principal of a key that was valid when the source last answered: for callers who must get in while it does not. Undefined for
   * any other text.
   */
  lastConfirmed(text: string): Principal | undefined {
    const known = this.#byText.get(text)
    if (!known || known.principal.expiresAt.getTime() <= Date.now()) return undefined
    known.usedAt = Date.now()
    return known.principal
  }

  /** Checks all keys that are in use or have open streams. Revoked keys are forgotten, and their streams end. */
  async check(signal?: AbortSignal): Promise<void> {
    const longAgo = Date.now() - FORGOTTEN_AFTER_MS
    for (const known of this.#byId.values()) if (known.usedAt < longAgo) this.#forget(known)
    for (const some of inPieces([...new Set([...this.#byId.keys(), ...this.#streaming()])])) {
      if (signal?.aborted) return
      const askedAt = performance.now()
      for (const id of await this.#source.withdrawn(some)) this.withdraw(id)
      for (const id of some) confirm(this.#byId.get(id), askedAt)
    }
  }

  /** Forgets a key that is no longer valid, and ends its streams. */
  withdraw(id: string): void {
    const known = this.#byId.get(id)
    if (known) this.#forget(known)
    this.#withdrawals.withdraw(CREDENTIAL_PREFIX + id)
  }

  /** Notes the uses since the last call, and open streams as used now. Uses that could not be noted stay for the next call. */
  async noteUses(): Promise<void> {
    for (const id of this.#streaming()) this.#uses.set(id, Date.now())
    const uses = this.#uses
    this.#uses = new Map()
    try {
      for (const some of inPieces([...uses])) {
        await this.#source.noteUses(some.map(([id, at]) => ({ id, at: new Date(at) })))
        for (const [id] of some) uses.delete(id)
      }
    } catch (error) {
      this.#uses = new Map([...uses, ...this.#uses])
      throw error
    }
  }

  /** The ids of the keys with open streams. */
  #streaming(): string[] {
    const credentials = this.#withdrawals.watched().filter(isOfApiKey)
    return credentials.map(credential => credential.slice(CREDENTIAL_PREFIX.length))
  }

  async #find(text: string): Promise<Known> {
    const id = apiKeyIdOf(text)
    if (id === undefined) throw notValid()
    const { key, askedAt } = await this.#lookup.find(id)
    if (!key) {
      // Only a remembered key is withdrawn: an invented id must leave no trace in memory.
      if (this.#byId.has(id)) this.withdraw(id)
      throw notValid()
    }
    const known = this.#byText.get(text) ?? this.#remember(text, key)
    confirm(known, askedAt)
    // The answer took so long that it no longer counts.
    if (!isConfirmed(known))
      throw new AppError('SERVICE_UNAVAILABLE', 'API keys cannot be checked at the moment. Try again shortly.')
    return known
  }

  /** @throws AppError UNAUTHENTICATED when the text is not that of this key */
  #remember(text: string, key: StoredApiKey): Known {
    if (!hasDigest(text, key.digest)) throw notValid()
    const [oldest] = this.#byId.values()
    if (oldest && this.#byId.size >= MAX_REMEMBERED) this.#forget(oldest)
    const known = { id: key.id, text, principal: principalOf(key), confirmedAt: 0, usedAt: Date.now() }
    this.#byText.set(text, known)
    this.#byId.set(key.id, known)
    return known
  }

  #forget({ id, text }: Known): void {
    this.#byText.delete(text)
    this.#byId.delete(id)
  }
}

export function isOfApiKey(credential: string): boolean {
  return credential.startsWith(CREDENTIAL_PREFIX)
}

function confirm(known: Known | undefined, askedAt: number): void {
  if (known && known.confirmedAt < askedAt) known.confirmedAt = askedAt
}

function isConfirmed({ confirmedAt }: Known): boolean {
  return performance.now() - confirmedAt <= LONGEST_UNCONFIRMED_MS
}

function principalOf({ id, tenant, principal, roles, expiresAt }: StoredApiKey): Principal {
  const known = ROLES.filter(role => roles.includes(role))
  return { id: principal, tenant, roles: known, permissions: permissionsOf(known), expiresAt, credential: CREDENTIAL_PREFIX + id }
}

function notValid(): AppError {
  return unauthenticated('The API key is not valid here; ask for a new one.')
}

function* inPieces<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < all.length; start += IDS_A_STATEMENT) yield all.slice(start, start + IDS_A_STATEMENT)
}
