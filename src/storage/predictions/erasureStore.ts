import { ERASED_PREFIX } from '../../scoring/prediction.js'
import type { AuditDigest } from '../audit/auditDigest.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'

// Each row is moved in every index, and its key is looked for in a stretch of the keys: a statement stays below 100 ms.
const ROWS_A_STATEMENT = 20
// A caller waits for some seconds at most; what is left is for its next call.
const ROWS_A_CALL = 1_000

export interface Erasure {
  readonly tenant: string
  readonly applicantId: string
  /** Who asked for it. */
  readonly principal: string
}

export interface Erased {
  readonly count: number
  /** False when there is more to erase. */
  readonly complete: boolean
}

interface Found {
  readonly id: string
  /** As Postgres writes it. */
  readonly createdAt: string
}

/** Told after each commit: everything of the applicant up to this id is erased. Must not reject. */
export type Forget = (tenant: string, applicantId: string, lastId: string) => Promise<void>

/** Takes an applicant out of the history, and leaves what the statistics need. */
export class ErasureStore {
  readonly #database: Database
  readonly #forget: Forget
  readonly #digest: AuditDigest

  constructor(database: Database, forget: Forget, digest: AuditDigest) {
    this.#database = database
    this.#forget = forget
    this.#digest = digest
  }

  /**
   * Erases features, reference and idempotency keys of an applicant's predictions, oldest first, and audits it. What was done stays
   * done when it fails half way: the next call goes on.
   * @throws AppError SERVICE_UNAVAILABLE or OUTCOME_UNKNOWN
   */
  async erase(erasure: Erasure): Promise<Erased> {
    // What an erased prediction has instead of a reference is none.
    if (erasure.applicantId.startsWith(ERASED_PREFIX)) return { count: 0, complete: true }
    for (let count = 0; ; ) {
      const found = await this.#find(erasure)
      if (found.length > 0) count += await this.#eraseRows(erasure, found)
      const lastId = found.at(-1)?.id
      if (lastId !== undefined) await this.#forget(erasure.tenant, erasure.applicantId, lastId)
      if (found.length < ROWS_A_STATEMENT) return { count, complete: true }
      if (count >= ROWS_A_CALL) return { count, complete: false }
    }
  }

  #find({ tenant, applicantId }: Erasure): Promise<Found[]> {
    return this.#database.read(
      ({ sql }) => sql<Found[]>`
        select id, created_at as "createdAt" from predictions where tenant = ${tenant} and applicant_id = ${applicantId}
        order by id limit ${ROWS_A_STATEMENT}`,
    )
  }

  /**
   * Answers how many it erased: fewer than were found where another call came first. Locked in the order of ids, as outcomes are, so
   * that neither waits for the other.
   */
  async #eraseRows({ tenant, applicantId, principal }: Erasure, found: readonly Found[]): Promise<number> {
    const ids = found.map(({ id }) => id)
    // A key has the time of its prediction: the index by time leads to it. Made an array once: with a join, or a cast of the whole
    // array, all keys would be read, or the array again for each.
    const times = found.map(({ createdAt }) => createdAt)
    const subject = this.#digest(tenant, applicantId)
    const rows = await this.#database.writeBulk(
      ({ sql }) => sql<{ count: number }[]>`
        with locked as (
          select id from predictions where tenant = ${tenant} and id = any(${ids}::uuid[]) and applicant_id = ${applicantId}
          order by id for no key update
        ), erased as (
          update predictions set features = null, applicant_id = ${ERASED_PREFIX}::text || predictions.id
          from locked where tenant = ${tenant} and predictions.id = any(${ids}::uuid[]) and predictions.id = locked.id
          returning predictions.id
        ), unkeyed as (
          delete from idempotency_keys
          where tenant = ${tenant} and prediction_id = any(${ids}::uuid[])
            and created_at = any(array(select unnest(${times}::text[])::timestamptz))
        ), audited as (
          ${auditInsert(
            sql,
            'applicant.erased',
            { tenant, principal },
            {
              rows: sql`(select count(*) from erased having count(*) > 0) counted`,
              subject: sql`${subject}`,
              details: sql`jsonb_build_object('count', counted.count)`,
            },
          )}
        )
        select count(*)::int as count from erased`,
    )
    return rows[0]?.count ?? 0
  }
}
