import { Redis } from 'ioredis'

// A Redis that is away or frozen must cost a caller next to nothing: without these a command hung for seconds.
const COMMAND_TIMEOUT_MS = 100
const LONGEST_RECONNECT_PAUSE_MS = 1_000

/** A connection that fails fast and reconnects for ever. `warn` is called for the first failure after each good connection. */
export function connectRedis(url: string, warn: (message: string, fields: Record<string, unknown>) => void): Redis {
  const redis = new Redis(url, {
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: 1_000,
    retryStrategy: attempt => Math.min(50 * attempt, LONGEST_RECONNECT_PAUSE_MS),
    autoResubscribe: false,
  })
  let isWarned = false
  redis.on('ready', () => {
    isWarned = false
  })
  redis.on('error', (error: Error & { code?: string }) => {
    if (!isWarned) warn('Redis is not available; serving without it', { code: error.code ?? refusalOf(error) })
    isWarned = true
  })
  return redis
}

/** The word that Redis begins a refusal with, such as WRONGPASS or NOPERM; not the rest, which may name a user. */
function refusalOf({ name, message }: Error): string {
  return /^[A-Z]+(?= )/.exec(message)?.[0] ?? name
}
