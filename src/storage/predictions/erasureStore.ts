import { ERASED_PREFIX } from '../../scoring/prediction.js'
import type { AuditDigest } from '../audit/auditDigest.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'
import { otherSpellings } from './otherSpellings.js'
import { whatIsChecked } from './textCheckRounds.js'

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

/** What is to be erased under one spelling of the reference. */
interface Spelled extends Erasure {
  readonly spelling: string
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
   * half way, the erased rows stay erased and the next call goes on. Until no older gateway can be left beside this one, it erases the
   * other spellings of the reference, too.
   * @throws AppError SERVICE_UNAVAILABLE or OUTCOME_UNKNOWN
   */
  async erase(erasure: Erasure): Promise<Erased> {
    // The placeholder of an erased prediction is nobody's reference.
    if (erasure.applicantId.startsWith(ERASED_PREFIX)) return { count: 0, complete: true }
    // Asked first: a prediction that gets this reference meanwhile may come too late to be found.
    const checked = await whatIsChecked(this.#database)
    // The reference itself comes last: the check may bring a prediction to it meanwhile.
    const spellings = [...(await otherSpellings(this.#database, erasure, checked)), erasure.applicantId]
    let count = 0
    for (const spelling of spellings) {
      const erased = await this.#eraseSpelling({ ...erasure, spelling }, ROWS_A_CALL - count)
      count += erased.count
      if (!erased.complete) return { count, complete: false }
    }
    return { count, complete: checked.isComplete }
  }

  async #eraseSpelling(spelled: Spelled, mostRows: number): Promise<Erased> {
    for (let count = 0; ; ) {
      const found = await this.#find(spelled)
      if (found.length > 0) count += await this.#eraseRows(spelled, found)
      const lastId = found.at(-1)?.id
      if (lastId !== undefined) await this.#forget(spelled.tenant, spelled.spelling, lastId)
      if (found.length < ROWS_A_STATEMENT) return { count, complete: true }
      if (count >= mostRows) return { count, complete: false }
    }
  }

  #find({ tenant, spelling }: Spelled): Promise<Found[]> {
    return this.#database.read(
      ({ sql }) => sql<Found[]>`
        select id, created_at::text as "createdAt" from predictions where tenant = ${tenant} and applicant_id = ${spelling}
        order by id limit ${ROWS_A_STATEMENT}`,
    )
  }

  /**
   * Answers how many rows it erased: fewer than were found when another call was first. Locks in the order of ids, as recording
   * outcomes does, so that the two do not deadlock.
   */
  async #eraseRows({ tenant, applicantId, spelling, principal }: Spelled, found: readonly Found[]): Promise<number> {
    const ids = found.map(({ id }) => id)
    // A key has the time of its prediction: the index by time leads to it. The array is built once: a join would read all keys,
    // and a cast of the whole array would be repeated for each key.
    const times = found.map(({ createdAt }) => createdAt)
    const subject = this.#digest(tenant, applicantId)
    // What the older gateway has audited, it has audited under its own spelling.
    const former = this.#digest(tenant, spelling)
    const rows = await this.#database.writeBulk(
      ({ sql }) => sql<{ count: number }[]>`
        with locked as (
          select id from predictions where tenant = ${tenant} and id = any(${ids}::uuid[]) and applicant_id = ${spelling}
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
        ), spelled as (
          insert into former_references (tenant, digest, former)
          select ${tenant}, ${subject}, ${former} where ${former !== subject} on conflict do nothing
        )
        select count(*)::int as count from erased`,
    )
    return rows[0]?.count ?? 0
  }
}
