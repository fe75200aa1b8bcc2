import { createHash, type Hash } from 'node:crypto'

/** A position in the order of commits. Numbers are texts: ids and transaction ids have 64 bits. */
export interface AuditPosition {
  readonly epoch: string
  readonly xid: string
  readonly id: string
}

/** Every column of an entry, as a text. */
export interface ChainedEntry extends AuditPosition {
  readonly tenant: string
  /** Milliseconds since 1970. */
  readonly at: string
  readonly principal: string
  readonly action: string
  readonly subject: string
  /** As Postgres prints `jsonb`: keys in its order. The same in every version, and after a dump and a restore. */
  readonly details: string
}

/** All that a seal states, except its hash. */
export interface SealHead {
  readonly number: number
  /** The last entry under it. */
  readonly last: AuditPosition
  readonly entries: number
  /** Milliseconds since 1970. */
  readonly sealedAt: string
}

export interface AuditSeal extends SealHead {
  readonly hash: string
}

export const BEFORE_ALL: AuditPosition = { epoch: '-1', xid: '0', id: '0' }
/** Stands in for the missing hash before the first seal. */
export const NO_HASH = '0'.repeat(64)

const MILLISECONDS = (column: string) => `(extract(epoch from ${column}) * 1000)::bigint::text`
export const NOW = MILLISECONDS("date_trunc('milliseconds', clock_timestamp())")
export const ENTRY_COLUMNS = `id::text, tenant, ${MILLISECONDS('at')} as at, principal, action, subject, details::text as details,
  epoch::text, xid::text`
export const SEAL_COLUMNS = `number, json_build_object('epoch', last_epoch::text, 'xid', last_xid::text, 'id', last_id::text) as last,
  entries, ${MILLISECONDS('sealed_at')} as "sealedAt", hash`

/** The hash of a seal: SHA-256 over the hash before it, the seal's head, and each entry under it, one JSON array a line. */
export class SealHash {
  readonly #hash: Hash = createHash('sha256')

  constructor(previous: string, { number, last, entries, sealedAt }: SealHead) {
    this.#line([previous, number, last.epoch, last.xid, last.id, entries, sealedAt])
  }

  add({ id, tenant, at, principal, action, subject, details, epoch, xid }: ChainedEntry): void {
    this.#line([id, tenant, at, principal, action, subject, details, epoch, xid])
  }

  digest(): string {
    return this.#hash.digest('hex')
  }

  #line(values: readonly (string | number)[]): void {
    this.#hash.update(`${JSON.stringify(values)}\n`)
  }
}
