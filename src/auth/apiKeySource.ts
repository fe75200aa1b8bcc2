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

/** Where API keys are kept. Everything fails with an AppError SERVICE_UNAVAILABLE where that cannot be asked. */
export interface ApiKeySource {
  /** Those of these keys that were not revoked. */
  find(ids: readonly string[]): Promise<readonly StoredApiKey[]>
  /** Those of these ids that are of no key, or of one that was revoked. Must not wait behind slow reads. */
  withdrawn(ids: readonly string[]): Promise<readonly string[]>
  /** Notes when keys were last used; an older use than the one that is known is nothing new. */
  noteUses(uses: readonly ApiKeyUse[]): Promise<void>
}
