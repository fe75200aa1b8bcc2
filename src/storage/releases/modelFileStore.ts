import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { AppError } from '../../errors.js'
import type { StoredFile } from '../../releases/rollout/versionStore.js'
import type { Database } from '../postgres/database.js'

// A statement of one part takes some 20 ms. The alert feed waits for the oldest statement that writes.
const BYTES_A_PART = 1024 * 1024
// The files of a few small versions. To read a file takes several times its size, as text, and the allocator keeps some of that.
const MOST_BYTES_KEPT = 8 * 1024 * 1024

const LOST = 'The version store has lost a file of this version. Put its folder back into the models folder.'

/** Files by their SHA-256, in parts. What is stored once stays, and is stored once however many versions have it. */
export class ModelFileStore {
  readonly #database: Database
  /** The files that were read last, so that a version that comes back is not read again. */
  readonly #kept = new LRUCache<string, Uint8Array>({
    maxSize: MOST_BYTES_KEPT,
    sizeCalculation: ({ length }) => Math.max(1, length),
  })

  constructor(database: Database) {
    this.#database = database
  }

  /** Stores the files that are not there yet. @throws Error where `read` gives other bytes than the digest says */
  async store(files: readonly StoredFile[], read: (file: StoredFile) => Promise<Uint8Array>): Promise<void> {
    const whole = await this.#whole(files)
    for (const file of files) {
      if (whole.has(file.sha256)) continue
      const bytes = await read(file)
      if (digestOf(bytes) !== file.sha256) throw new Error(`${file.name} has changed while it was read.`)
      await this.#storeParts(file.sha256, bytes)
      whole.add(file.sha256)
    }
  }

  /** Writes files again of which parts were lost or changed. @throws Error where `read` gives other bytes than the digest says */
  async restore(files: readonly StoredFile[], read: (file: StoredFile) => Promise<Uint8Array>): Promise<void> {
    for (const file of files) {
      const bytes = await read(file)
      if (digestOf(bytes) !== file.sha256) throw new Error(`${file.name} is another file than the one that was stored.`)
      await this.#storeParts(file.sha256, bytes)
    }
  }

  /** The bytes are shared: nobody may change them. */
  async read(sha256: string): Promise<Uint8Array> {
    const kept = this.#kept.get(sha256)
    if (kept) return kept
    const parts: Uint8Array[] = []
    for (let count = 1; parts.length < count; ) {
      const [part] = await this.#database.readInBackground(
        ({ sql }) => sql<{ parts: number; bytes: Uint8Array }[]>`
          select parts, bytes from model_files where sha256 = ${sha256} and part = ${parts.length}`,
      )
      if (!part) throw new AppError('NOT_FOUND', LOST)
      parts.push(part.bytes)
      count = part.parts
    }
    const bytes = Buffer.concat(parts)
    if (digestOf(bytes) !== sha256) throw new AppError('NOT_FOUND', LOST)
    this.#kept.set(sha256, bytes)
    return bytes
  }

  /** The digests of those files that are stored with all their parts. */
  async #whole(files: readonly StoredFile[]): Promise<Set<string>> {
    const digests = files.map(({ sha256 }) => sha256)
    const rows = await this.#database.readInBackground(
      ({ sql }) => sql<{ sha256: string }[]>`
        select sha256 from model_files where sha256 = any(${digests}::text[]) group by sha256, parts having count(*) = parts`,
    )
    return new Set(rows.map(({ sha256 }) => sha256))
  }

  /** Another gateway may store the same at the same time. */
  async #storeParts(sha256: string, bytes: Uint8Array): Promise<void> {
    const parts = Math.max(1, Math.ceil(bytes.length / BYTES_A_PART))
    for (let part = 0; part < parts; part++) {
      const slice = bytes.subarray(part * BYTES_A_PART, (part + 1) * BYTES_A_PART)
      await this.#database.writeBulk(
        ({ sql }) => sql`
          insert into model_files (sha256, part, parts, bytes) values (${sha256}, ${part}, ${parts}, ${slice})
          on conflict (sha256, part) do update set parts = excluded.parts, bytes = excluded.bytes where model_files.bytes <> excluded.bytes`,
      )
    }
  }
}

function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}
