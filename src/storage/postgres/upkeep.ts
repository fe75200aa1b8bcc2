import { AppError } from '../../errors.js'
import { isCommitUnknown, isNotSent } from './postgresErrors.js'

// `Database` already logs a store that is away. A task that keeps failing may be the only call that fails, and must be logged.
const FAILURES_IN_A_ROW = 3

/** Periodic work that keeps the store in shape. Any gateway may run it at any time, several at once; a repeat does no harm. */
export interface UpkeepTask {
  readonly name: string
  readonly everyMs: number
  /** Runs even while the clock of this gateway is wrong: it dates and removes nothing, and others depend on it. */
  readonly withAnyClock?: boolean
  /** Ends soon after the signal is aborted, and leaves the rest undone. */
  run(signal: AbortSignal): Promise<unknown>
}

export interface UpkeepOptions {
  /** Called at the end of each run. */
  readonly ended: (task: string, result: 'ok' | 'failed') => void
  /** Called for an unexpected error, and for any error three times in a row; once until the task works again. */
  readonly failed: (task: string, error: unknown) => void
  readonly isClockRight: () => boolean
}

/**
 * Repeats each task, beginning one pause from now. Returns a function that ends this: it aborts the running tasks and waits for
 * them.
 */
export function keepUp(
  tasks: readonly UpkeepTask[],
  { ended: runEnded, failed, isClockRight }: UpkeepOptions,
): () => Promise<void> {
  const running = new Map<UpkeepTask, Promise<void>>()
  const failures = new Map<UpkeepTask, number>()
  const reported = new Set<UpkeepTask>()
  const ended = new AbortController()
  const timers = tasks.map(task =>
    setInterval(() => {
      if (running.has(task) || !(task.withAnyClock || isClockRight())) return
      const run = task
        .run(ended.signal)
        .then(
          () => {
            runEnded(task.name, 'ok')
            failures.delete(task)
            reported.delete(task)
          },
          error => {
            runEnded(task.name, 'failed')
            const inARow = (failures.get(task) ?? 0) + 1
            failures.set(task, inARow)
            if (reported.has(task) || (isStoreAway(error) && inARow < FAILURES_IN_A_ROW)) return
            reported.add(task)
            failed(task.name, error)
          },
        )
        .finally(() => running.delete(task))
      running.set(task, run)
    }, task.everyMs).unref(),
  )
  return async () => {
    timers.forEach(clearInterval)
    ended.abort()
    await Promise.all(running.values())
  }
}

function isStoreAway(error: unknown): boolean {
  return error instanceof AppError || isNotSent(error) || isCommitUnknown(error)
}
