import { EXIT_CODES, onStopSignal } from '../stopSignals.js'

// A reader that has stopped reading must not hold up a Ctrl-C.
const PATIENCE_MS = 1_000

/** Remembers a signal to end the command. The export looks for it between two pages, so that no line is cut. */
export class Interruption {
  #exitCode: number | undefined
  #isOverdue = false
  #giveUp: (reason: Error) => void = () => {}

  constructor() {
    onStopSignal({
      first: signal => {
        this.#exitCode = EXIT_CODES[signal]
        setTimeout(() => {
          this.#isOverdue = true
          this.#giveUp(interrupted())
        }, PATIENCE_MS).unref()
      },
      again: () => process.exit(this.#exitCode),
    })
  }

  /** Set once the command is to end: 128 plus the number of the signal. */
  get exitCode(): number | undefined {
    return this.#exitCode
  }

  /** Waits for one piece of work at a time, but not for long after the interruption. */
  orDone<T>(work: Promise<T>): Promise<T> {
    // Promise.race is not used: the one promise of the signal would keep the result of every race until the end.
    return new Promise((resolve, reject) => {
      this.#giveUp = reject
      // The signal came in the middle of work that nobody waits for here, such as opening the database.
      if (this.#isOverdue) reject(interrupted())
      work.then(resolve, reject)
    })
  }
}

function interrupted(): Error {
  return new Error('The export was interrupted.')
}
