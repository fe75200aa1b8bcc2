import { inChunks } from '../postgres/chunks.js'
import type { Database } from '../postgres/database.js'
import { SETTLED_BEFORE } from '../postgres/feedEpoch.js'
import { milliseconds, toInstant } from '../postgres/instants.js'
import {
  type AuditPosition,
  type AuditSeal,
  BEFORE_ALL,
  type ChainedEntry,
  ENTRY_COLUMNS,
  NO_HASH,
  NOW,
  SEAL_COLUMNS,
  SealHash,
} from './auditChain.js'

// Read and hashed in some milliseconds, which is how long the event loop waits for it.
const ENTRIES_A_SEAL = 1_000
const MAX_COUNT = 10_000

export interface AuditBacklog {
  /** Entries without a seal, up to 10,000. */
  readonly entries: number
  /** When the oldest of them was written; null when there is none. */
  readonly oldestAt: Date | null
  readonly lastSealAt: Date | null
}

/**
 * Puts entries of the audit under seals, each of which covers the hash of the one before. It seals only settled entries: no open
 * transaction can add another before them. Any gateway may run it at any time: when several make the same seal, one wins.
 */
export class AuditSealer {
  readonly #database: Database
  readonly #sealed: (seal: AuditSeal) => void
  #backlog: AuditBacklog = { entries: 0, oldestAt: null, lastSealAt: null }

  /** `sealed` is called for each seal that this gateway made, after its commit. */
  constructor(database: Database, sealed: (seal: AuditSeal) => void) {
    this.#database = database
    this.#sealed = sealed
  }

  /** As it was after the last run. */
  get backlog(): AuditBacklog {
    return this.#backlog
  }

  /** Seals all settled entries, until the signal ends it. */
  async run(signal?: AbortSignal): Promise<void> {
    await inChunks(ENTRIES_A_SEAL, () => this.#sealNext(), signal)
    this.#backlog = await this.#measure()
  }

  /** Answers how many entries it found. */
  async #sealNext(): Promise<number> {
    const previous = await this.#lastSeal()
    const found = await this.#settledAfter(previous?.last ?? BEFORE_ALL)
    const last = found.at(-1)
    if (!last) return 0
    const { epoch, xid, id } = last
    const head = {
      number: (previous?.number ?? 0) + 1,
      last: { epoch, xid, id },
      entries: found.length,
      sealedAt: last.now,
    }
    const hash = new SealHash(previous?.hash ?? NO_HASH, head)
    for (const entry of found) hash.add(entry)
    const seal = { ...head, hash: hash.digest() }
    if (await this.#insert(seal)) this.#sealed(seal)
    return found.length
  }

  async #lastSeal(): Promise<AuditSeal | undefined> {
    const [seal] = await this.#database.readInBackground(
      ({ sql }) => sql<AuditSeal[]>`select ${sql.unsafe(SEAL_COLUMNS)} from audit_seals order by number desc limit 1`,
    )
    return seal
  }

  #settledAfter({ epoch, xid, id }: AuditPosition): Promise<(ChainedEntry & { now: string })[]> {
    return this.#database.readInBackground(
      ({ sql }) => sql<(ChainedEntry & { now: string })[]>`
        select ${sql.unsafe(ENTRY_COLUMNS)}, ${sql.unsafe(NOW)} as now from audit_entries
        where (audit_entries.epoch, audit_entries.xid, audit_entries.id) > (${epoch}::int, ${xid}::xid8, ${id}::bigint)
          and (audit_entries.epoch, audit_entries.xid) < ${sql.unsafe(SETTLED_BEFORE)}
        order by audit_entries.epoch, audit_entries.xid, audit_entries.id limit ${ENTRIES_A_SEAL}`,
    )
  }

  /** False when another gateway was first. */
  async #insert({ number, last, entries, sealedAt, hash }: AuditSeal): Promise<boolean> {
    const rows = await this.#database.writeInBackground(
      ({ sql }) => sql`
        insert into audit_seals (number, last_epoch, last_xid, last_id, entries, hash, sealed_at)
        values (${number}, ${last.epoch}::int, ${last.xid}::xid8, ${last.id}::bigint, ${entries}, ${hash},
          timestamptz '1970-01-01 00:00Z' + ${sealedAt}::bigint * interval '1 millisecond')
        on conflict (number) do nothing returning number`,
    )
    return rows.length > 0
  }

  async #measure(): Promise<AuditBacklog> {
    const [row] = await this.#database.readInBackground(
      ({ sql }) => sql<{ entries: number; oldestAt: number | null; lastSealAt: number | null }[]>`
        with seal as (select * from audit_seals order by number desc limit 1), open as (
          select at from audit_entries
          where (epoch, xid, id) > (coalesce((select last_epoch from seal), -1), coalesce((select last_xid from seal), '0'),
            coalesce((select last_id from seal), 0))
          order by epoch, xid, id limit ${MAX_COUNT}
        )
        select count(*)::int as entries, ${sql.unsafe(milliseconds('min(at)'))} as "oldestAt",
          (select ${sql.unsafe(milliseconds('sealed_at'))} from seal) as "lastSealAt" from open`,
    )
    const { entries = 0, oldestAt = null, lastSealAt = null } = row ?? {}
    return { entries, oldestAt: toInstant(oldestAt), lastSealAt: toInstant(lastSealAt) }
  }
}
