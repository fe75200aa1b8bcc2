import type { Logger } from './logger.js'
import { SuccessSampling } from './successSampling.js'

export interface RequestLogOptions {
  /** Successes in a second from which on only some are logged; 0: all are. */
  readonly successesPerSecond: number
  /** A request that took this long is always logged. */
  readonly slowMs: number
}

interface LoggedRequest {
  readonly ok: boolean
  readonly durationMs: number
  readonly [field: string]: unknown
}

/** Logs one line for each request. Under load it leaves out successes, but no failure and no slow request. */
export class RequestLog {
  readonly #logger: Pick<Logger, 'info' | 'isLevelEnabled'>
  readonly #slowMs: number
  readonly #sampling: SuccessSampling

  constructor(logger: Pick<Logger, 'info' | 'isLevelEnabled'>, { successesPerSecond, slowMs }: RequestLogOptions) {
    this.#logger = logger
    this.#slowMs = slowMs
    this.#sampling = new SuccessSampling(successesPerSecond)
  }

  note(request: LoggedRequest, message: string): void {
    const represents = this.#standsFor(request)
    if (represents === undefined) return
    this.#logger.info(represents > 1 ? { ...request, represents } : request, message)
  }

  #standsFor({ ok, durationMs }: LoggedRequest): number | undefined {
    const mayBeLeftOut = ok && durationMs < this.#slowMs && !this.#logger.isLevelEnabled('debug')
    return mayBeLeftOut ? this.#sampling.next() : 1
  }
}
