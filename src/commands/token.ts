import type { Role } from '../auth/principal.js'
import { loadConfig } from '../config/config.js'
import { signingTokens } from '../start/tokens.js'

interface TokenOptions {
  readonly role: readonly Role[]
  readonly subject: string
  readonly tenant: string
  /** Seconds. */
  readonly ttl: number
}

/** Prints an access token that is signed with the shared secret. @throws ConfigError where there is none */
export async function printToken({ role, subject, tenant, ttl }: TokenOptions): Promise<void> {
  const tokens = await signingTokens(loadConfig())
  process.stdout.write(`${await tokens.sign({ subject, tenant, roles: role, ttlSeconds: ttl })}\n`)
}
