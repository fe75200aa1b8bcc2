import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import { isPlainName } from './artifactNames.js'

// A download ends long before: what is older was left by a process that died.
const LEFT_OVER_MS = 24 * 3_600_000

const cachedFile = z.strictObject({
  path: z.string().refine(path => path.split('/').every(isPlainName)),
  bytes: z.int().min(0),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
})
const cachedVersion = z.strictObject({
  name: z.string(),
  version: z.string(),
  source: z.string(),
  createdAtMs: z.number().optional(),
  runId: z.string().optional(),
  files: z.array(cachedFile),
})

/** A file of a folder, kept by its digest. */
export type CachedFile = z.output<typeof cachedFile>
/** The folder of a registered version, as it was downloaded. */
export type CachedVersion = z.output<typeof cachedVersion>

/**
 * Files by their SHA-256, and the folders that they make up: files/<digest>, versions/<digest of the name>.json. Everything is written
 * beside its place, flushed and renamed, so that what is there is whole. Digests are compared at every read.
 */
export class ArtifactCache {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Keeps what a download brings. It leaves nothing behind where that throws. */
  async keep(pieces: AsyncIterable<Uint8Array>): Promise<Pick<CachedFile, 'bytes' | 'sha256'>> {
    const hash = createHash('sha256')
    let bytes = 0
    const partial = await this.#write(async write => {
      for await (const piece of pieces) {
        hash.update(piece)
        bytes += piece.length
        await write(piece)
      }
    })
    const sha256 = hash.digest('hex')
    await this.#moveTo(this.#fileOf(sha256), partial)
    return { bytes, sha256 }
  }

  /** A file of a version, or undefined where it is not there or damaged. */
  async read({ sha256 }: Pick<CachedFile, 'sha256'>): Promise<Buffer | undefined> {
    const bytes = await readFile(this.#fileOf(sha256)).catch(() => undefined)
    return bytes && createHash('sha256').update(bytes).digest('hex') === sha256 ? bytes : undefined
  }

  /** Keeps which files a version is made of, by the name that one may ask for it later. */
  async remember(name: string, version: CachedVersion): Promise<void> {
    const partial = await this.#write(write => write(Buffer.from(`${JSON.stringify(version, null, 2)}\n`)))
    await this.#moveTo(this.#recordOf(name), partial)
  }

  /** A version whose files are all there and whole. */
  async recall(name: string): Promise<CachedVersion | undefined> {
    const text = await readFile(this.#recordOf(name), 'utf8').catch(() => undefined)
    const { data } = cachedVersion.safeParse(text === undefined ? undefined : jsonOf(text))
    for (const file of data?.files ?? []) if ((await this.read(file)) === undefined) return undefined
    return data
  }

  /** Writes the files of a version into a new folder. @throws Error where one of them has gone or is damaged */
  async writeTo(directory: string, files: readonly CachedFile[]): Promise<void> {
    await mkdir(directory, { recursive: true })
    for (const file of files) {
      const bytes = await this.read(file)
      if (!bytes) throw new Error(`${file.path} is damaged in the cache below the state directory. Fetch the version again.`)
      const place = join(directory, file.path)
      await mkdir(dirname(place), { recursive: true })
      const handle = await open(place, 'wx', 0o644)
      await handle.writeFile(bytes).finally(() => handle.close())
    }
  }

  /** Removes what processes that died have left. */
  async tidy(): Promise<void> {
    const folder = join(this.#directory, 'partial')
    for (const name of await readdir(folder).catch(() => [])) {
      const found = await stat(join(folder, name)).catch(() => undefined)
      if (found && Date.now() - found.mtimeMs > LEFT_OVER_MS) await rm(join(folder, name), { recursive: true, force: true })
    }
  }

  /** A folder to work in, which is removed at the end. */
  async withFolder<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
    const directory = join(this.#directory, 'partial', randomUUID())
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return work(directory).finally(() => rm(directory, { recursive: true, force: true }))
  }

  async #write(work: (write: (bytes: Uint8Array) => Promise<unknown>) => Promise<unknown>): Promise<string> {
    const folder = join(this.#directory, 'partial')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const partial = join(folder, randomUUID())
    const handle = await open(partial, 'wx', 0o600)
    try {
      await work(bytes => handle.writeFile(bytes))
      await handle.sync()
    } catch (error) {
      await rm(partial, { force: true })
      throw error
    } finally {
      await handle.close()
    }
    return partial
  }

  async #moveTo(place: string, partial: string): Promise<void> {
    await mkdir(dirname(place), { recursive: true, mode: 0o700 })
    await rename(partial, place)
  }

  #fileOf(sha256: string): string {
    return join(this.#directory, 'files', sha256.slice(0, 2), sha256)
  }

  #recordOf(name: string): string {
    return join(this.#directory, 'versions', `${createHash('sha256').update(name).digest('hex')}.json`)
  }
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
