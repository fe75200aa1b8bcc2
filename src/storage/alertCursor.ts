import { AppError } from '../errors.js'
import type { FeedEpoch } from './feedEpoch.js'

/** A place in the alert feed. `xid` and `seq` are decimal texts of 64-bit numbers. */
export interface FeedPosition {
  readonly epoch: number
  readonly xid: string
  readonly seq: string
}

const CURSOR = /^([0-9a-f]{4})([0-9a-f]{8})([0-9a-f]{16})([0-9a-f]{12})$/

/** Fixed-width hexadecimal: cursors compare as texts just as their positions do. */
export function encodeAlertCursor({ epoch, xid, seq }: FeedPosition, epochs: readonly FeedEpoch[]): string {
  const tag = epochs.find(({ ordinal }) => ordinal === epoch)?.tag
  if (tag === undefined) throw new Error(`The alert feed has no epoch ${epoch}.`)
  return hex(epoch, 4) + tag + hex(xid, 16) + hex(seq, 12)
}

/** @throws AppError BAD_CURSOR for a text that no feed of this database gave out */
export function decodeAlertCursor(cursor: string, epochs: readonly FeedEpoch[]): FeedPosition {
  const [, ordinal = '', tag = '', xid = '', seq = ''] = CURSOR.exec(cursor) ?? []
  const epoch = Number.parseInt(ordinal, 16)
  if (!epochs.some(known => known.ordinal === epoch && known.tag === tag)) throw badAlertCursor()
  const position = { epoch, xid: BigInt(`0x${xid}`), seq: BigInt(`0x${seq}`) }
  return { epoch, xid: String(position.xid), seq: String(position.seq) }
}

export function badAlertCursor(): AppError {
  return new AppError('BAD_CURSOR', 'This cursor is not one of this alert feed. Start from alertCursor.')
}

function hex(value: number | string, width: number): string {
  return BigInt(value).toString(16).padStart(width, '0')
}
