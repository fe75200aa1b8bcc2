import type { ISql } from 'postgres'
import type { Database } from '../postgres/database.js'
import { EPOCH_HERE } from '../postgres/feedEpoch.js'
import { databaseTime } from '../postgres/instants.js'
import {
  type AuditPosition,
  type AuditSeal,
  BEFORE_ALL,
  type ChainedEntry,
  ENTRY_COLUMNS,
  NO_HASH,
  SEAL_COLUMNS,
  SealHash,
} from './auditChain.js'

// Rows in memory at a time, which one statement reads in some milliseconds.
const PAGE_ROWS = 2_000
// Gateways seal every few seconds.
const LONGEST_UNSEALED_MS = 60_000

export interface AuditReport {
  /** Entries under a seal that fits them. */
  readonly entries: number
  readonly seals: number
  /** The last seal that fits; undefined when there is none. */
  readonly head: Pick<AuditSeal, 'number' | 'hash'> | undefined
  /** The first seal that does not fit, as a sentence; undefined for an intact audit. */
  readonly problem: string | undefined
  /** Entries after the last seal; not counted when there is a problem. */
  readonly unsealed: number
  readonly oldestUnsealedAt: Date | undefined
  /** Whether one of the seals has the expected hash. */
  readonly isHeadFound: boolean
}

/**
 * Computes the whole chain of seals again from the current entries, up to the first seal that does not fit. Seals that are made
 * during the verification are left out: their entries may have been missing when their page was read.
 */
export async function verifyAudit(database: Database, expectedHead?: string): Promise<AuditReport> {
  const start = await startOf(database)
  const rest = new Reader(entriesOf(database))
  let [entries, seals, isHeadFound] = [0, 0, false]
  let [head, from]: [AuditSeal | undefined, AuditPosition] = [undefined, BEFORE_ALL]
  const report = async (problem?: string): Promise<AuditReport> => {
    const oldest = problem === undefined ? await rest.peek() : undefined
    return {
      entries,
      seals,
      head: head && { number: head.number, hash: head.hash },
      problem,
      unsealed: problem === undefined ? await rest.count() : 0,
      oldestUnsealedAt: oldest && new Date(Number(oldest.at)),
      isHeadFound,
    }
  }
  for await (const seal of sealsUpTo(database, start.newest)) {
    if (seal.number !== seals + 1) return report(`Seal ${seals + 1} is missing: seal ${seal.number} follows instead.`)
    const hash = new SealHash(head?.hash ?? NO_HASH, seal)
    let found = 0
    let last = from
    for (let next = await rest.peek(); next && !isBehind(next, seal.last); next = await rest.peek()) {
      hash.add(next)
      last = next
      found++
      rest.skip()
    }
    if (found !== seal.entries) {
      return report(
        `Seal ${seal.number} was made for ${seal.entries} entries, and ${found} are there: ${between(from, seal.last)}.`,
      )
    }
    if (isBehind(seal.last, last) || hash.digest() !== seal.hash) {
      return report(`Seal ${seal.number} does not fit its ${found} entries, or was changed itself: ${between(from, seal.last)}.`)
    }
    entries += found
    seals++
    head = seal
    from = seal.last
    isHeadFound ||= seal.hash === expectedHead
  }
  return report(await missingSeals(database, seals, await rest.peek(), start))
}

/** Why an audit whose seals all fit is not whole all the same: somebody has deleted its seals or its entries. */
async function missingSeals(
  database: Database,
  seals: number,
  oldest: ChainedEntry | undefined,
  start: Start,
): Promise<string | undefined> {
  if (oldest) {
    const at = Number(oldest.at)
    const now = await database.read(({ sql }) => databaseTime(sql))
    if (now - at <= LONGEST_UNSEALED_MS || isHeldBack(oldest, start)) return undefined
    return `Entries since ${new Date(at).toISOString()} have no seal: seals were deleted, or no gateway has run since. Start one, and verify again.`
  }
  if (seals > 0 || !(await hasPredictions(database))) return undefined
  return 'It is empty, though there are predictions: all entries and seals were deleted, or nobody has ever read a prediction.'
}

async function hasPredictions(database: Database): Promise<boolean> {
  const rows = await database.read(({ sql }) => sql`select from predictions limit 1`)
  return rows.length > 0
}

/** As it was when the verification began. */
interface Start {
  /** The number of the newest seal; zero when there is none. */
  readonly newest: number
  /** Null where the server has not opened its epoch yet. */
  readonly epoch: string | null
  /** The oldest transaction that was open then. */
  readonly xmin: string
}

async function startOf(database: Database): Promise<Start> {
  const [row] = await database.read(
    ({ sql }) => sql<Start[]>`
      select (select coalesce(max(number), 0) from audit_seals) as newest, ${sql.unsafe(EPOCH_HERE)}::text as epoch,
        pg_snapshot_xmin(pg_current_snapshot())::text as xmin`,
  )
  if (!row) throw new Error('A statement without a table has a row.')
  return row
}

/** Whether an entry could not be sealed yet: an open transaction of any database of the server may still add another before it. */
function isHeldBack({ epoch, xid }: ChainedEntry, start: Start): boolean {
  return epoch === start.epoch && BigInt(xid) >= BigInt(start.xmin)
}

async function* sealsUpTo(database: Database, newest: number): AsyncGenerator<AuditSeal> {
  let last: AuditSeal | undefined
  do {
    const page: AuditSeal[] = await database.read(
      ({ sql }) => sql<AuditSeal[]>`
        select ${sql.unsafe(SEAL_COLUMNS)} from audit_seals
        where number <= ${newest} ${last ? sql`and number > ${last.number}` : sql``} order by number limit ${PAGE_ROWS}`,
    )
    yield* page
    last = page.length < PAGE_ROWS ? undefined : page.at(-1)
  } while (last)
}

/**
 * All entries in order, page by page, even those before BEFORE_ALL: no gateway makes such an entry, so it was forged. The
 * next page is read while this one is hashed.
 */
async function* entriesOf(database: Database): AsyncGenerator<ChainedEntry[]> {
  const after = (position?: AuditPosition) =>
    database.read(
      ({ sql }) => sql<ChainedEntry[]>`
        select ${sql.unsafe(ENTRY_COLUMNS)} from audit_entries ${position ? sql`where ${isAfter(sql, position)}` : sql``}
        order by audit_entries.epoch, audit_entries.xid, audit_entries.id limit ${PAGE_ROWS}`,
    )
  for (let next: Promise<ChainedEntry[]> | undefined = after(); next; ) {
    const page: ChainedEntry[] = await next
    const last = page.at(-1)
    next = last && page.length === PAGE_ROWS ? after(last) : undefined
    // A failure is thrown when the page is awaited.
    next?.catch(() => {})
    yield page
  }
}

function isAfter(sql: ISql, { epoch, xid, id }: AuditPosition) {
  return sql`(audit_entries.epoch, audit_entries.xid, audit_entries.id) > (${epoch}::int, ${xid}::xid8, ${id}::bigint)`
}

/** Takes single entries from pages. */
class Reader {
  readonly #pages: AsyncGenerator<ChainedEntry[]>
  #page: readonly ChainedEntry[] = []
  #at = 0

  constructor(pages: AsyncGenerator<ChainedEntry[]>) {
    this.#pages = pages
  }

  async peek(): Promise<ChainedEntry | undefined> {
    if (this.#at === this.#page.length) {
      const { value, done } = await this.#pages.next()
      this.#page = done ? [] : value
      this.#at = 0
    }
    return this.#page[this.#at]
  }

  skip(): void {
    this.#at++
  }

  /** How many are left; reads them all. */
  async count(): Promise<number> {
    let count = this.#page.length - this.#at
    for await (const page of this.#pages) count += page.length
    return count
  }
}

function isBehind(position: AuditPosition, other: AuditPosition): boolean {
  for (const key of ['epoch', 'xid', 'id'] as const) {
    if (position[key] !== other[key]) return BigInt(position[key]) > BigInt(other[key])
  }
  return false
}

function between(from: AuditPosition, to: AuditPosition): string {
  const position = ({ epoch, xid, id }: AuditPosition) => `${id} (epoch ${epoch}, transaction ${xid})`
  return from === BEFORE_ALL ? `from the first one up to ${position(to)}` : `after ${position(from)}, up to ${position(to)}`
}
