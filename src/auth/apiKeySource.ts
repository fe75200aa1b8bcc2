import type { Role } from './principal.js'

export interface StoredApiKey {
  readonly id: string
  readonly tenant: string
  /** The stable client id that it calls as. */
  readonly principal: string
  readonly roles: readonly Role[]
  /** SHA-256 of its text, hexadecimal. */
  readonly digest: string
  readonly expiresAt: Date
}

export interface ApiKeyUse {
  readonly id: string
  readonly at: Date
}

/** The store of API keys. Each method rejects with an AppError SERVICE_UNAVAILABLE when the store does not answer. */
export interface ApiKeySource {
  /** The keys with these ids that were not revoked. */
  find(ids: readonly string[]): Promise<readonly StoredApiKey[]>
  /** The ids among these that belong to no key, or to a revoked one. Must not wait behind slow reads. */
  withdrawn(ids: readonly string[]): Promise<readonly string[]>
  /** Notes when keys were last used. A use that is older than the stored one changes nothing. */
  noteUses(uses: readonly ApiKeyUse[]): Promise<void>
}
