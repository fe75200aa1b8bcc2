import type { Logger } from './logger.js'

/** The most lines of one code in a second. Without it, unknown callers could fill the disk. /metrics counts all refusals. */
const MAX_LINES = 50
// A first line tells the reader of the log enough.
const MAX_LINES_RATE_LIMITED = 1
const SECOND_MS = 1_000

interface Second {
  until: number
  lines: number
  unlogged: number
}

interface Refusal {
  readonly requestId: string
  readonly code: string
  /** Undefined for an unknown caller. */
  readonly principal: string | undefined
  readonly [field: string]: unknown
}

/** Logs refusals: all those of known callers, and a bounded number of those that cost their callers nothing. */
export class RefusalLog {
  readonly #logger: Pick<Logger, 'info'>
  readonly #seconds = new Map<string, Second>()

  constructor(logger: Pick<Logger, 'info'>) {
    this.#logger = logger
  }

  /** When lines of a code were left out, the next one that is written stands for them too. */
  note(refusal: Refusal, message: string): void {
    if (refusal.principal !== undefined) {
      this.#logger.info(refusal, message)
      return
    }
    const { code } = refusal
    const now = performance.now()
    const known = this.#seconds.get(code)
    const second = known && now < known.until ? known : { until: now + SECOND_MS, lines: 0, unlogged: known?.unlogged ?? 0 }
    this.#seconds.set(code, second)
    if (second.lines >= (code === 'RATE_LIMITED' ? MAX_LINES_RATE_LIMITED : MAX_LINES)) {
      second.unlogged++
      return
    }
    second.lines++
    this.#logger.info(second.unlogged > 0 ? { ...refusal, represents: second.unlogged + 1 } : refusal, message)
    second.unlogged = 0
  }
}
