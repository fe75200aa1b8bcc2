import { AppError } from '../errors.js'
import { isNotSent, isOutcomeUnknown } from './postgresErrors.js'

/** Something that keeps the store in shape. Any gateway may do it at any time, several at once too; once more does no harm. */
export interface UpkeepTask {
  readonly name: string
  readonly everyMs: number
  run(): Promise<unknown>
}

/**
 * Repeats each task, beginning one pause from now; answers how to end that, which waits for what is running. `failed` is told of what
 * nobody expects, once until the task works again; a store that is away is told of by `Database`.
 */
export function keepUp(tasks: readonly UpkeepTask[], failed: (task: string, error: unknown) => void): () => Promise<void> {
  const running = new Map<UpkeepTask, Promise<void>>()
  const failing = new Set<UpkeepTask>()
  const timers = tasks.map(task =>
    setInterval(() => {
      if (running.has(task)) return
      const run = task
        .run()
        .then(
          () => void failing.delete(task),
          error => {
            if (isStoreAway(error) || failing.has(task)) return
            failing.add(task)
            failed(task.name, error)
          },
        )
        .finally(() => running.delete(task))
      running.set(task, run)
    }, task.everyMs).unref(),
  )
  return async () => {
    timers.forEach(clearInterval)
    await Promise.all(running.values())
  }
}

function isStoreAway(error: unknown): boolean {
  return error instanceof AppError || isNotSent(error) || isOutcomeUnknown(error)
}
