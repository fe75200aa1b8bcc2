import pino from 'pino'

export type Logger = pino.Logger

const FLUSH_MS = 200
const CHUNK_CHARACTERS = 16_384

/**
 * JSON lines on stdout. Personal data stays out by construction: callers pass ids, codes, counts and durations, never inputs,
 * error messages of the database, or variables. `close` writes the lines that still wait.
 */
export function createLogger(level: string): { logger: Logger; close: () => void } {
  const output = new ChunkedOutput()
  const logger = pino(
    { level, base: null, timestamp: pino.stdTimeFunctions.isoTime, formatters: { level: label => ({ level: label }) } },
    output,
  )
  const timer = setInterval(() => output.handOn(), FLUSH_MS).unref()
  const close = () => {
    clearInterval(timer)
    output.flushSync()
  }
  return { logger, close }
}

/**
 * Hands lines on in chunks, off the request path. Not with the destination's own `minLength`: for each line that measures all
 * waiting lines again.
 */
class ChunkedOutput {
  readonly #destination = pino.destination({ fd: 1, sync: false })
  #lines: string[] = []
  #length = 0

  write(line: string): void {
    this.#lines.push(line)
    this.#length += line.length
    if (this.#length >= CHUNK_CHARACTERS) this.handOn()
  }

  /** Writes the last lines when the process ends. */
  flushSync(): void {
    this.handOn()
    try {
      this.#destination.flushSync()
    } catch {
      // The output is not open yet: nobody reads it.
    }
  }

  handOn(): void {
    if (this.#length > 0) this.#destination.write(this.#lines.join(''))
    this.#lines = []
    this.#length = 0
  }
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
