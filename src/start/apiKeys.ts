import { ApiKeys } from '../auth/apiKeys.js'
import type { Withdrawals } from '../auth/withdrawals.js'
import { AppError } from '../errors.js'
import { ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import type { Database } from '../storage/postgres/database.js'
import type { UpkeepTask } from '../storage/postgres/upkeep.js'

// Of the second within which a revocation holds everywhere; the rest is for a slow answer.
const CHECK_EVERY_MS = 300
const NOTE_USES_EVERY_MS = 30_000

/** API keys: who comes with one, and what watches those in use. */
export function startApiKeys(database: Database, withdrawals: Withdrawals) {
  const store = new ApiKeyStore(database, id => apiKeys.withdraw(id))
  const apiKeys = new ApiKeys({ source: store, withdrawals })
  const upkeep: UpkeepTask[] = [
    { name: 'API keys in use', everyMs: CHECK_EVERY_MS, run: signal => apiKeys.check(signal) },
    { name: 'last use of API keys', everyMs: NOTE_USES_EVERY_MS, run: () => apiKeys.noteUses() },
  ]
  const stop = async () => {
    try {
      await apiKeys.noteUses()
    } catch (error) {
      // The store is away: all that is lost is when some keys were last used.
      if (!(error instanceof AppError)) throw error
    }
  }
  return { store, apiKeys, upkeep, stop }
}
