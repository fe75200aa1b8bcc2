import { ERASED_PREFIX } from '../../scoring/prediction.js'
import type { AuditDigest } from '../audit/auditDigest.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'
import { isTextCheckComplete } from './textCheckRounds.js'

// Each row moves in every index, and its key is searched for in a range of keys: a statement stays below 100 ms.
const ROWS_A_STATEMENT = 20
// A caller waits for some seconds at most; its next call erases the rest.
const ROWS_A_CALL = 1_000

export interface Erasure {
  readonly tenant: string
  readonly applicantId: string
  /** The principal that requested it. */
  readonly principal: string
}

export interface Erased {
  readonly count: number
  /** False when there is more to erase, or may be: predictions of an older version may still have another form of the reference. */
  readonly complete: boolean
}

interface Found {
  readonly id: string
  /** As Postgres writes it. */
  readonly createdAt: string
}

/** Called after each commit: all predictions of the applicant up to this id are erased. Must not reject. */
export type Forget = (tenant: string, applicantId: string, lastId: string) => Promise<void>

/** Removes an applicant's data from the history, and leaves the columns that the statistics need. */
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
   * Erases features, reference and idempotency keys of an applicant's predictions, oldest first, and audits it. When it fails
   * half way, the erased rows stay erased and the next call goes on.
   * @throws AppError SERVICE_UNAVAILABLE or OUTCOME_UNKNOWN
   */
  async erase(erasure: Erasure): Promise<Erased> {
    // The placeholder of an erased prediction is nobody's reference.
    if (erasure.applicantId.startsWith(ERASED_PREFIX)) return { count: 0, complete: true }
    // Asked first: a prediction that gets this reference meanwhile may come too late to be found.
    const isChecked = await isTextCheckComplete(this.#database)
    for (let count = 0; ; ) {
      const found = await this.#find(erasure)
      if (found.length > 0) count += await this.#eraseRows(erasure, found)
      const lastId = found.at(-1)?.id
      if (lastId !== undefined) await this.#forget(erasure.tenant, erasure.applicantId, lastId)
      if (found.length < ROWS_A_STATEMENT) return { count, complete: isChecked }
      if (count >= ROWS_A_CALL) return { count, complete: false }
    }
  }

  #find({ tenant, applicantId }: Erasure): Promise<Found[]> {
    return this.#database.read(
      ({ sql }) => sql<Found[]>`
        select id, created_at::text as "createdAt" from predictions where tenant = ${tenant} and applicant_id = ${applicantId}
        order by id limit ${ROWS_A_STATEMENT}`,
    )
  }

  /**
   * Answers how many rows it erased: fewer than were found when another call was first. Locks in the order of ids, as recording
   * outcomes does, so that the two do not deadlock.
   */
  async #eraseRows({ tenant, applicantId, principal }: Erasure, found: readonly Found[]): Promise<number> {
    const ids = found.map(({ id }) => id)
    // A key has the time of its prediction: the index by time leads to it. The array is built once: a join would read all keys,
    // and a cast of the whole array would be repeated for each key.
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
