// npm passes a Ctrl-C on to a process that has got it from the terminal already.
const SAME_SIGNAL_MS = 1_000

type StopSignal = 'SIGINT' | 'SIGTERM'

interface Reactions {
  /** Called once. */
  readonly first: (signal: StopSignal) => void
  /** Called for a signal that comes over a second after the first: somebody does not want to wait. */
  readonly again: () => void
}

/** Takes SIGINT and SIGTERM. Signals within a second of the first are the same signal. */
export function onStopSignal({ first, again }: Reactions): void {
  let firstAt: number | undefined
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (firstAt === undefined) {
        firstAt = performance.now()
        first(signal)
      } else if (performance.now() - firstAt > SAME_SIGNAL_MS) again()
    })
  }
}
