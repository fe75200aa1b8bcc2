import { createCipheriv, createDecipheriv, createHmac } from 'node:crypto'

const PURPOSE = 'ids of audit entries'
const CIPHER = 'aes-128-ecb'
const BLOCK_BYTES = 16

/**
 * Shows the ids of entries to tenants. The numbers in the database count the entries of all tenants: a tenant that saw them would learn
 * how much the others do. Each number is one block, so that the same entry always has the same id.
 */
export class EntryIds {
  readonly #key: Buffer

  constructor(auditKey: string) {
    this.#key = createHmac('sha256', auditKey).update(PURPOSE).digest().subarray(0, BLOCK_BYTES)
  }

  shown(id: string): string {
    const block = Buffer.alloc(BLOCK_BYTES)
    block.writeBigInt64BE(BigInt(id), BLOCK_BYTES / 2)
    return createCipheriv(CIPHER, this.#key, null).setAutoPadding(false).update(block).toString('hex')
  }

  /** The number; undefined for a text that is no shown id. */
  stored(shown: string): string | undefined {
    const bytes = Buffer.from(shown, 'hex')
    if (bytes.length !== BLOCK_BYTES) return undefined
    const block = createDecipheriv(CIPHER, this.#key, null).setAutoPadding(false).update(bytes)
    return block.readBigInt64BE(0) === 0n ? String(block.readBigInt64BE(BLOCK_BYTES / 2)) : undefined
  }
}
