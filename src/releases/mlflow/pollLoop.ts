import { setTimeout } from 'node:timers/promises'

// One step of a person in MLflow causes several events, each with a delivery.
const SOON_MS = 100
const JITTER = 0.1

/** Does work again and again, once at a time, with a pause that differs a little each time: replicas should not ask all at once. */
export class PollLoop {
  readonly #work: (end: AbortSignal) => Promise<void>
  readonly #pauseMs: number
  readonly #end = new AbortController()
  #poked = new AbortController()
  #waiting: (() => void)[] = []
  #running: Promise<void> | undefined

  /** The work must not reject. */
  constructor(work: (end: AbortSignal) => Promise<void>, pauseMs: number) {
    this.#work = work
    this.#pauseMs = pauseMs
  }

  /** Ends when the work has been done for the first time, and goes on with it. */
  start(): Promise<void> {
    const first = this.#work(this.#end.signal)
    this.#running = first.then(() => this.#goOn(this.#end.signal))
    return first
  }

  /** Does the work soon: once for all calls of a moment, and once more where it is just being done. Ends when it has been done. */
  poke(): Promise<void> {
    const done = new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#poked.abort()
    return done
  }

  async stop(): Promise<void> {
    this.#end.abort()
    this.#poked.abort()
    await this.#running
  }

  async #goOn(end: AbortSignal): Promise<void> {
    while (!end.aborted) {
      await pause(this.#pauseMs * (1 - JITTER + 2 * JITTER * Math.random()), this.#poked.signal)
      if (this.#poked.signal.aborted) await pause(SOON_MS, end)
      this.#poked = new AbortController()
      const waiting = this.#waiting
      this.#waiting = []
      if (!end.aborted) await this.#work(end)
      for (const resolve of waiting) resolve()
    }
  }
}

function pause(ms: number, end: AbortSignal): Promise<void> {
  return setTimeout(ms, undefined, { signal: end }).catch(() => {})
}
