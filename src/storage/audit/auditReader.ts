import { type SQL, sql } from 'drizzle-orm'
import type { Database } from '../postgres/database.js'
import { milliseconds, storable } from '../postgres/instants.js'
import { type AuditCursorPosition, decodeAuditCursor, encodeAuditCursor } from './auditCursor.js'
import type { AuditEntry, AuditPage, AuditQuery } from './auditQuery.js'
import type { EntryIds } from './entryIds.js'

// Entries that may be read for each entry of a page. When a filter skips more, the page ends there.
const READ_FACTOR = 50

type EntryRow = Omit<AuditEntry, 'at'> & {
  readonly at: number
  readonly matches: boolean
  readonly isLast: boolean
}

/** Reads the audit of a tenant, newest first. */
export class AuditReader {
  readonly #database: Database
  readonly #ids: EntryIds

  constructor(database: Database, ids: EntryIds) {
    this.#database = database
    this.#ids = ids
  }

  /**
   * One page. When a filter skips many entries, the page is short or empty, and the next one goes on from the last entry that was
   * read.
   * @throws AppError BAD_CURSOR for a cursor of another filter
   */
  async page(query: AuditQuery): Promise<AuditPage> {
    const { filter, size, backward } = query
    const [after, before] = [query.after, query.before].map(cursor =>
      cursor === undefined ? undefined : decodeAuditCursor(cursor, filter, this.#ids),
    )
    const limit = READ_FACTOR * size
    const forms = await this.#formsOf(query)
    const rows = await this.#database.read(({ db }) =>
      db.execute<EntryRow>(pageStatement(query, forms, limit, { older: after, newer: before })),
    )
    const matches = rows.filter(row => row.matches)
    const last = matches.length > size ? undefined : rows.find(row => row.isLast)
    const page = matches.slice(0, size)
    if (backward) page.reverse()
    const cursorOf = ({ at, id }: EntryRow) => encodeAuditCursor({ at, id }, filter, this.#ids)
    return {
      entries: page.map(row => {
        const { matches: _matches, isLast: _isLast, id, at, ...entry } = row
        return { ...entry, id: this.#ids.shown(id), at: new Date(at), cursor: cursorOf(row) }
      }),
      hasMore: last !== undefined || matches.length > size,
      ...(last && { reached: cursorOf(last) }),
    }
  }

  async #formsOf({ tenant, filter: { subjects, formerly = [] } }: AuditQuery): Promise<Forms> {
    if (subjects.length === 0) return []
    const rows = await this.#database.read(
      ({ sql }) => sql<{ digest: string; former: string }[]>`
        select digest, former from former_references where tenant = ${tenant} and digest = any(${[...subjects]})`,
    )
    return subjects.map((subject, i) => {
      const found = rows.filter(({ digest }) => digest === subject).map(({ former }) => former)
      return [...new Set([subject, ...(i === 0 ? formerly : []), ...found])]
    })
  }
}

/** The values that each subject of a filter may have: itself first, then its digests from before texts had one form. */
type Forms = readonly (readonly string[])[]

interface Bounds {
  readonly older: AuditCursorPosition | undefined
  readonly newer: AuditCursorPosition | undefined
}

/**
 * Reads entries along one index first, by the filter that leaves the fewest, then checks the other filters. The second condition
 * on the column of that index is a hint to the planner: see `hintsOf` (docs/adr/0007).
 */
function pageStatement(
  { tenant, filter, size, backward }: AuditQuery,
  forms: Forms,
  limit: number,
  { older, newer }: Bounds,
): SQL {
  const { action, principal, from, to } = filter
  const [subject, ...others] = forms
  // With the name of the table, in the outer query too: a bare `id` would be the selected text, which sorts differently.
  const order = sql.raw(backward ? 'audit_entries.at, audit_entries.id' : 'audit_entries.at desc, audit_entries.id desc')
  const along = [
    ['subject', subject],
    ['principal', principal === undefined ? undefined : [principal]],
    ['action', action === undefined ? undefined : [action]],
    ['tenant', [tenant]],
  ].find(([, values]) => values !== undefined) as [string, readonly string[]]
  const column = sql.identifier(along[0])
  const conditionsOf = (value: string): SQL[] => [
    sql`tenant = ${tenant} and ${column} = ${value} and ${column} >= (select ${value}::text)`,
    ...(from ? [sql`at >= ${storable(from).toISOString()}::timestamptz`] : []),
    ...(to ? [sql`at < ${storable(to).toISOString()}::timestamptz`] : []),
    ...(older ? [sql`(at, id) < ${positionOf(older)}`] : []),
    ...(newer ? [sql`(at, id) > ${positionOf(newer)}`] : []),
  ]
  const rest: SQL[] = [
    ...others.map(other => sql`subject in ${other}`),
    ...(principal === undefined ? [] : [sql`principal = ${principal}`]),
    ...(action === undefined ? [] : [sql`action = ${action}`]),
  ]
  // Each form is read along the index for itself: a list of them would be read in full, and sorted.
  const entries = along[1].map(
    value => sql`(select * from audit_entries where ${allOf(conditionsOf(value))} order by ${order} limit ${limit})`,
  )
  return sql`
    select id::text, ${sql.raw(milliseconds('at'))} as at, principal, action, subject, details, matches, "isLast",
      coalesce((epoch, xid, audit_entries.id) <= (select last_epoch, last_xid, last_id from audit_seals order by number desc limit 1), false)
        as sealed
    from (
      select *, ${rest.length === 0 ? sql`true` : allOf(rest)} as matches, row_number() over (order by ${order}) = ${limit} as "isLast"
      from (${sql.join(entries, sql` union all `)}) audit_entries
      order by ${order} limit ${limit}
    ) audit_entries
    where matches or "isLast"
    order by ${order} limit ${size + 1}`
}

function positionOf({ at, id }: AuditCursorPosition): SQL {
  return sql`(${new Date(at).toISOString()}::timestamptz, ${id}::bigint)`
}

function allOf(conditions: SQL[]): SQL {
  return sql.join(conditions, sql` and `)
}
