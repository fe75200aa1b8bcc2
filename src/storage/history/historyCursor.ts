import { createHash } from 'node:crypto'
import { AppError } from '../../errors.js'
import type { HistoryFilter, HistoryOrder } from './historyQuery.js'

const VALID = /^[0-9a-f]{8}\.([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\.([0-9.e-]{1,24})$/

export interface Position {
  readonly id: string
  readonly probability: number
}

/** A position in one ordered, filtered list: the sort key of the row, after a digest of that key with filter and order. */
export function encodeHistoryCursor(position: Position, filter: HistoryFilter, order: HistoryOrder): string {
  const { id, probability } = position
  return Buffer.from(`${digestOf(position, filter, order)}.${id}.${probability}`).toString('base64url')
}

/** @throws AppError BAD_CURSOR for anything that this filter and order did not give out */
export function decodeHistoryCursor(cursor: string, filter: HistoryFilter, order: HistoryOrder): Position {
  const [, id, probability] = VALID.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (id === undefined) throw badCursor()
  const position = { id, probability: Number(probability) }
  // Encoded again and compared: a cursor that lost its end on the way would still name a position, and rows would be skipped.
  const isOurs = [filter, decomposed(filter)].some(spelled => encodeHistoryCursor(position, spelled, order) === cursor)
  if (!isOurs) throw badCursor()
  return position
}

/** The filter as a client with decomposed letters had sent it to an older version, whose cursors hold the digest of those. */
function decomposed(filter: HistoryFilter): HistoryFilter {
  return Object.fromEntries(
    Object.entries(filter).map(([name, value]) => [name, typeof value === 'string' ? value.normalize('NFD') : value]),
  )
}

function badCursor(): AppError {
  return new AppError('BAD_CURSOR', 'This cursor does not belong to this filter and order. Start again without a cursor.')
}

function digestOf({ id, probability }: Position, filter: HistoryFilter, order: HistoryOrder): string {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null)
  const text = JSON.stringify([order, given.sort(([a], [b]) => (a < b ? -1 : 1)), id, probability])
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
