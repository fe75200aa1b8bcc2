import pino from 'pino'
import { ECS_VERSION, ecsFields } from './ecsFields.js'
import { LogOutput } from './logOutput.js'
import { standardOutput } from './logSink.js'
import { SERVICE } from './service.js'

export type Logger = pino.Logger

const FLUSH_MS = 200

/** How pino writes a line: with the names of the Elastic Common Schema. */
export const LINE_FORMAT = {
  messageKey: 'message',
  base: { 'ecs.version': ECS_VERSION, 'service.name': SERVICE.name, 'service.version': SERVICE.version },
  timestamp: () => `,"@timestamp":"${new Date().toISOString()}"`,
  formatters: { level: (label: string) => ({ 'log.level': label }), log: ecsFields },
} satisfies pino.LoggerOptions

export interface LoggerControl {
  readonly logger: Logger
  /** Switches from the level of the settings to debug, and back. */
  readonly toggleDebug: () => void
  /** Writes the lines that still wait. */
  readonly close: () => Promise<void>
}

/**
 * JSON lines on stdout. Personal data stays out by construction: callers pass ids, codes, counts and durations, never inputs,
 * error messages of the database, or variables. `lost` is called for lines that are lost because nobody takes them.
 */
export function createLogger(level: string, lost: (lines: number) => void): LoggerControl {
  const recovered = (count: number) => logger.warn({ count }, 'log lines were lost')
  const output = new LogOutput({ sink: standardOutput(), lost, recovered })
  const logger = pino({ ...LINE_FORMAT, level }, output)
  const timer = setInterval(() => output.handOn(), FLUSH_MS).unref()
  const close = () => {
    clearInterval(timer)
    return output.close()
  }
  const toggleDebug = () => {
    const next = logger.isLevelEnabled('debug') ? (level === 'debug' ? 'info' : level) : 'debug'
    // At the lower of both levels, so that the line is seen.
    if (next === 'debug') logger.level = next
    logger.info({ level: next }, 'the log level has changed')
    logger.level = next
  }
  return { logger, toggleDebug, close }
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
