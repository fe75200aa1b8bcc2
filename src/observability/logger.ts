import pino from 'pino'

export type Logger = pino.Logger

/**
 * JSON lines on stdout. Personal data stays out by construction: callers pass ids, codes, counts and durations, never inputs,
 * error messages of the database, or variables.
 */
export function createLogger(level: string): Logger {
  // Written in chunks, off the request path; `flush` at the end of the process.
  const destination = pino.destination({ fd: 1, sync: false, minLength: 4_096 })
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    destination,
  )
  setInterval(() => logger.flush(), 200).unref()
  return logger
}

/** What may be said of an error that nobody expected: its kind and where it came from, not its message, which may hold inputs. */
export function unexpected(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error }
  const { name, stack, cause } = error
  const code = (error as { code?: unknown }).code ?? (cause as { code?: unknown } | undefined)?.code
  return {
    error: name,
    code,
    at: stack
      ?.split('\n')
      .filter(line => line.startsWith('    at '))
      .map(line => line.trim()),
  }
}
