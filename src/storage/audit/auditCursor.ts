import { createHash } from 'node:crypto'
import { AppError } from '../../errors.js'
import type { AuditFilter } from './auditQuery.js'
import type { EntryIds } from './entryIds.js'

const VALID = /^[0-9a-f]{8}\.(\d{1,15})\.([0-9a-f]{32})$/

/** The position of an entry in the list of a tenant. */
export interface AuditCursorPosition {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly id: string
}

/** A position in one filtered list: the sort key of the entry, after a digest of that key with the filter. */
export function encodeAuditCursor(position: AuditCursorPosition, filter: AuditFilter, ids: EntryIds): string {
  return Buffer.from(`${digestOf(position, filter)}.${position.at}.${ids.shown(position.id)}`).toString('base64url')
}

/** @throws AppError BAD_CURSOR for anything that this filter did not give out */
export function decodeAuditCursor(cursor: string, filter: AuditFilter, ids: EntryIds): AuditCursorPosition {
  const [, at, shown] = VALID.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  const id = shown === undefined ? undefined : ids.stored(shown)
  if (at !== undefined && id !== undefined) {
    const position = { at: Number(at), id }
    // Encoded again and compared: a cursor that lost its end on the way would still name a position, and entries would be
    // skipped.
    if (encodeAuditCursor(position, filter, ids) === cursor) return position
  }
  throw new AppError('BAD_CURSOR', 'This cursor does not belong to this filter. Start again without a cursor.')
}

function digestOf({ at, id }: AuditCursorPosition, { action, principal, subjects, from, to }: AuditFilter): string {
  const text = JSON.stringify([action ?? null, principal ?? null, subjects, from ?? null, to ?? null, at, id])
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
