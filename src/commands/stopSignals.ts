// npm passes a Ctrl-C on to a process that has got it from the terminal already.
const SAME_SIGNAL_MS = 1_000

const STOP_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

type StopSignal = (typeof STOP_SIGNALS)[number]

/** The exit codes of a process that a signal ends: 128 plus its number. */
export const EXIT_CODES: Readonly<Record<StopSignal, number>> = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }

interface Reactions {
  /** Called once. */
  readonly first: (signal: StopSignal) => void
  /** Called for a signal that comes over a second after the first: somebody does not want to wait. */
  readonly again: () => void
}

/** Takes SIGINT, SIGTERM, and the SIGHUP of a terminal that is closed. Signals within a second of the first are the same signal. */
export function onStopSignal({ first, again }: Reactions): void {
  let firstAt: number | undefined
  for (const signal of STOP_SIGNALS) {
    process.on(signal, () => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        first(signal)
      } else if (performance.now() - firstAt > SAME_SIGNAL_MS) again()
    })
  }
}
