import { AppError } from '../../errors.js'
import type { FeedEpoch } from '../postgres/feedEpoch.js'

/** A position in the alert feed. `xid` and `seq` are decimal texts of 64-bit numbers. */
export interface FeedPosition {
  readonly epoch: number
  readonly xid: string
  readonly seq: string
}

/** A position as a cursor names it. Only the database knows whether an epoch with this tag exists. */
export interface GivenPosition extends FeedPosition {
  readonly tag: string
}

const CURSOR = /^([0-9a-f]{4})([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{12})$/

/** Fixed-width hexadecimal: cursors compare as texts in the order of their positions. */
export function encodeAlertCursor({ epoch, xid, seq }: FeedPosition, epochs: readonly FeedEpoch[]): string {
  const tag = epochs.find(({ ordinal }) => ordinal === epoch)?.tag
  if (tag === undefined) throw new Error(`The alert feed has no epoch ${epoch}.`)
  return hex(epoch, 4) + tag + hex(xid, 16) + hex(seq, 12)
}

/** @throws AppError BAD_CURSOR for a text that does not have the form of a cursor */
export function parseAlertCursor(cursor: string): GivenPosition {
  const [, epoch = '', tag = '', xid = '', seq = ''] = CURSOR.exec(cursor) ?? []
  if (tag === '') throw badAlertCursor()
  return { epoch: Number.parseInt(epoch, 16), tag, xid: String(BigInt(`0x${xid}`)), seq: String(BigInt(`0x${seq}`)) }
}

/** @throws AppError BAD_CURSOR for a text that no feed of this database gave out */
export function decodeAlertCursor(cursor: string, epochs: readonly FeedEpoch[]): FeedPosition {
  const { tag, ...position } = parseAlertCursor(cursor)
  if (!epochs.some(known => known.ordinal === position.epoch && known.tag === tag)) throw badAlertCursor()
  return position
}

export function badAlertCursor(): AppError {
  return new AppError('BAD_CURSOR', 'This cursor does not belong to this alert feed. Start from alertCursor.')
}

export function expiredAlertCursor(): AppError {
  return new AppError(
    'CURSOR_EXPIRED',
    'The alerts that followed this cursor are no longer kept. Start from alertCursor, and read the history for the time between.',
  )
}

function hex(value: number | string, width: number): string {
  return BigInt(value).toString(16).padStart(width, '0')
}
