import pino from 'pino'
import { LogOutput } from './logOutput.js'
import { standardOutput } from './logSink.js'

export type Logger = pino.Logger

const FLUSH_MS = 200

/**
 * JSON lines on stdout. Personal data stays out by construction: callers pass ids, codes, counts and durations, never inputs,
 * error messages of the database, or variables. `lost` is called for lines that are lost because nobody takes them. `close` writes
 * the lines that still wait.
 */
export function createLogger(level: string, lost: (lines: number) => void): { logger: Logger; close: () => Promise<void> } {
  const recovered = (count: number) => logger.warn({ count }, 'log lines were lost')
  const output = new LogOutput({ sink: standardOutput(), lost, recovered })
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    output,
  )
  const timer = setInterval(() => output.handOn(), FLUSH_MS).unref()
  const close = () => {
    clearInterval(timer)
    return output.close()
  }
  return { logger, close }
}

/** The loggable parts of an unexpected error: its kind and where it came from, not its message, which may hold inputs. */
export function unexpected(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { error: typeof error }
  const { name, cause } = error
  const code = (error as { code?: unknown }).code ?? (cause as { code?: unknown } | undefined)?.code
  return { error: name, code, at: framesOf(error) }
}

/** The frames after the message, whose own lines may look like frames; undefined when the end of the message is not found. */
function framesOf({ message, stack = '' }: Error): string[] | undefined {
  // A stack begins with `Name: message`, or `Name` alone. The message may have changed since the stack was written.
  const heading = message === '' ? /^[^\n:]*(?:: )?\n/.exec(stack)?.[0] : headingWith(message, stack)
  if (heading === undefined) return undefined
  return stack
    .slice(heading.length)
    .split('\n')
    .filter(line => line.startsWith('    at '))
    .map(line => line.trim())
}

function headingWith(message: string, stack: string): string | undefined {
  const end = `: ${message}\n`
  const start = stack.indexOf(end)
  return start < 0 || stack.slice(0, start).includes('\n') ? undefined : stack.slice(0, start + end.length)
}
