import { createHash } from 'node:crypto'
import { AppError } from '../errors.js'
import type { HistoryFilter, HistoryOrder } from './historyStore.js'

const VALID = /^([0-9a-f]{8})\.([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12})\.([0-9.e-]{1,24})$/

interface Position {
  readonly id: string
  readonly probability: number
}

/** A place in one ordered, filtered list: the digest of filter and order, then the sort key of the row. */
export function encodeHistoryCursor({ id, probability }: Position, filter: HistoryFilter, order: HistoryOrder): string {
  return Buffer.from(`${digestOf(filter, order)}.${id}.${probability}`).toString('base64url')
}

/** @throws AppError BAD_CURSOR for anything that this filter and order did not give out */
export function decodeHistoryCursor(cursor: string, filter: HistoryFilter, order: HistoryOrder): Position {
  const [, digest, id = '', probability] = VALID.exec(Buffer.from(cursor, 'base64url').toString('latin1')) ?? []
  if (digest !== digestOf(filter, order) || !Number.isFinite(Number(probability))) {
    throw new AppError('BAD_CURSOR', 'This cursor does not belong to this filter and order. Start again without a cursor.')
  }
  return { id, probability: Number(probability) }
}

function digestOf(filter: HistoryFilter, order: HistoryOrder): string {
  const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null)
  const text = JSON.stringify([order, given.sort(([a], [b]) => (a < b ? -1 : 1))])
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
