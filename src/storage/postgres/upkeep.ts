import { AppError } from '../../errors.js'
import { isCommitUnknown, isNotSent } from './postgresErrors.js'

// A store that is away is told of by `Database`; a task that fails again and again may be the only one that does.
const FAILURES_IN_A_ROW = 3

/** Something that keeps the store in shape. Any gateway may do it at any time, several at once too; once more does no harm. */
export interface UpkeepTask {
  readonly name: string
  readonly everyMs: number
  /** Ends soon, with the rest undone, once the signal is aborted. */
  run(signal: AbortSignal): Promise<unknown>
}

/**
 * Repeats each task, beginning one pause from now; answers how to end that, which ends what is running and waits for it. `failed` is
 * told, once until the task works again, of what nobody expects, and of anything that happens three times in a row.
 */
export function keepUp(tasks: readonly UpkeepTask[], failed: (task: string, error: unknown) => void): () => Promise<void> {
  const running = new Map<UpkeepTask, Promise<void>>()
  const failures = new Map<UpkeepTask, number>()
  const told = new Set<UpkeepTask>()
  const ended = new AbortController()
  const timers = tasks.map(task =>
    setInterval(() => {
      if (running.has(task)) return
      const run = task
        .run(ended.signal)
        .then(
          () => {
            failures.delete(task)
            told.delete(task)
          },
          error => {
            const inARow = (failures.get(task) ?? 0) + 1
            failures.set(task, inARow)
            if (told.has(task) || (isStoreAway(error) && inARow < FAILURES_IN_A_ROW)) return
            told.add(task)
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
