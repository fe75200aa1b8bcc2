import type { Database } from '../postgres/database.js'
import { startOfMonth } from '../postgres/partitions.js'
import { isLockTimeout } from '../postgres/postgresErrors.js'

const ROWS_A_STATEMENT = 2_000
/** Tables with a row for a prediction, which leave with it. Both have an index by time. */
const BESIDE = ['idempotency_keys', 'shadow_scores'] as const
// A statement that waits for this lock keeps all writers waiting behind it.
const LOCK_TIMEOUT_MS = 50

type Beside = (typeof BESIDE)[number]

/** A partition of predictions, of one month of UTC. */
interface Month {
  readonly partition: string
  readonly from: Date
}

/** Removes old predictions by whole months. The statistics stay. */
export class PredictionRetention {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /**
   * Removes the months that end at `before` or earlier. Answers the partitions that it dropped, the oldest first. A partition in
   * use is left to the next run, with all later ones. Keys are removed after their predictions: otherwise a repeated call would be
   * scored twice. In between, `PredictionStore` frees them.
   */
  async run(before: Date, signal?: AbortSignal): Promise<string[]> {
    const months = await this.#months()
    const dropped: string[] = []
    for (const { partition, from } of months) {
      if (signal?.aborted || startOfMonth(from, 1) > before || !(await this.#drop(partition))) break
      dropped.push(partition)
    }
    const kept = months[dropped.length]
    if (!kept) return dropped
    for (const table of BESIDE) await this.#removeBeside(table, kept.from, signal)
    return dropped
  }

  /** The partitions whose months end at `before` or earlier, the oldest first. */
  async overdue(before: Date): Promise<string[]> {
    return (await this.#months()).filter(({ from }) => startOfMonth(from, 1) <= before).map(({ partition }) => partition)
  }

  /** The oldest first. */
  async #months(): Promise<Month[]> {
    const partitions = await this.#database.read(
      ({ sql }) => sql<{ name: string; year: number; month: number }[]>`
        select relname as name, split_part(relname, '_', 2)::int as year, split_part(relname, '_', 3)::int as month
        from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = 'predictions'::regclass and relname ~ '^predictions_\\d{4}_\\d{2}$' order by relname`,
    )
    return partitions.map(({ name, year, month }) => ({ partition: name, from: new Date(Date.UTC(year, month - 1, 1)) }))
  }

  /**
   * Removes rows by ranges of time. A range is halved while it holds more rows than one statement removes, and then doubled
   * again: a statement over all old rows would read those that earlier ones removed.
   */
  async #removeBeside(table: Beside, before: Date, signal?: AbortSignal): Promise<void> {
    let width = before.getTime()
    for (let start = 0; start < before.getTime() && !signal?.aborted; ) {
      const end = Math.min(start + width, before.getTime())
      if ((await this.#removeBetween(table, new Date(start), new Date(end))) === ROWS_A_STATEMENT) {
        width = Math.max(1, Math.floor(width / 2))
      } else {
        start = end
        width *= 2
      }
    }
  }

  /** Answers how many it found, whether it removed them or another replica did. */
  async #removeBetween(table: Beside, from: Date, to: Date): Promise<number> {
    const rows = await this.#database.writeBulk(
      ({ sql }) => sql<{ count: number }[]>`
        with found as (
          select ctid from ${sql(table)} where created_at >= ${from.toISOString()}::timestamptz
            and created_at < ${to.toISOString()}::timestamptz limit ${ROWS_A_STATEMENT}
        ), removed as (
          delete from ${sql(table)} where ctid = any(array(select ctid from found))
        )
        select count(*)::int as count from found`,
    )
    return rows[0]?.count ?? 0
  }

  async #drop(partition: string): Promise<boolean> {
    try {
      // In bulk: the files of a large month take a while to remove, even after the locks are released, and predictions would
      // wait.
      await this.#database.writeBulk(({ sql }) =>
        sql.unsafe(`do $$ begin
          perform set_config('lock_timeout', '${LOCK_TIMEOUT_MS}ms', true);
          drop table if exists ${partition};
        end $$`),
      )
      return true
    } catch (error) {
      if (isLockTimeout(error)) return false
      throw error
    }
  }
}
