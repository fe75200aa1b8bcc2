// A Redis that is away or frozen must cost a caller next to nothing.
const PATIENCE_MS = 100

class LateError extends Error {
  readonly code = 'TIMEOUT'
}

/**
 * The answer of a command, for which a caller waits. Rejects after a tenth of a second. An answer that has arrived counts, even if this
 * process was too busy to read it: else a stall of its own would look like one of Redis.
 */
export function inTime<T>(command: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    // Timers run before the sockets are read, and immediates after them.
    const giveUp = () => setImmediate(() => setImmediate(() => reject(new LateError('Redis did not answer in time.'))))
    const timer = setTimeout(giveUp, PATIENCE_MS)
    command.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
