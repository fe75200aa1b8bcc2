import { ApiKeys } from '../auth/apiKeys.js'
import type { Withdrawals } from '../auth/withdrawals.js'
import { AppError } from '../errors.js'
import { ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import type { Kit } from './kit.js'

// A revocation must hold on every replica within a second. The rest of that second allows for a slow answer of the database.
const CHECK_EVERY_MS = 300
const NOTE_USES_EVERY_MS = 30_000

/** Authenticates API keys, and checks those in use for revocation. */
export function startApiKeys({ database, metrics, onStop, upkeep }: Kit, { withdrawals }: { withdrawals: Withdrawals }) {
  const store = new ApiKeyStore(database, id => apiKeys.withdraw(id))
  const apiKeys = new ApiKeys({ source: store, withdrawals, lookedUp: metrics.lookups('api_keys') })
  upkeep(
    { name: 'API keys in use', everyMs: CHECK_EVERY_MS, withAnyClock: true, run: signal => apiKeys.check(signal) },
    { name: 'last use of API keys', everyMs: NOTE_USES_EVERY_MS, run: () => apiKeys.noteUses() },
  )
  onStop(async () => {
    try {
      await apiKeys.noteUses()
    } catch (error) {
      // The database is away: only the time of last use of some keys is lost.
      if (!(error instanceof AppError)) throw error
    }
  })
  return { store, apiKeys }
}
