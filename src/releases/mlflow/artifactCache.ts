import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, readdir, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
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

  /** Keeps which files a version is made of, by the name that one may ask for it later. */
  async remember(name: string, version: CachedVersion): Promise<void> {
    const partial = await this.#write(write => write(Buffer.from(`${JSON.stringify(version, null, 2)}\n`)))
    await this.#moveTo(this.#recordOf(name), partial)
  }

  /** A version whose files are all there and whole. */
  async recall(name: string): Promise<CachedVersion | undefined> {
    const text = await readFile(this.#recordOf(name), 'utf8').catch(() => undefined)
    const { data } = cachedVersion.safeParse(text === undefined ? undefined : jsonOf(text))
    for (const file of data?.files ?? []) if (!(await this.#isWhole(file))) return undefined
    const now = new Date()
    // The versions that were used last are kept.
    if (data) await utimes(this.#recordOf(name), now, now).catch(() => {})
    return data
  }

  /** Writes the files of a version into a new folder. @throws Error where one of them has gone or is damaged */
  async writeTo(directory: string, files: readonly CachedFile[]): Promise<void> {
    await mkdir(directory, { recursive: true })
    for (const { path, sha256 } of files) {
      const place = join(directory, path)
      await mkdir(dirname(place), { recursive: true })
      const handle = await open(place, 'wx', 0o644)
      const copied = await digestOf(this.#fileOf(sha256), piece => handle.writeFile(piece)).finally(() => handle.close())
      if (copied !== sha256)
        throw new Error(`${path} is damaged in the cache below the state directory. Fetch the version again.`)
    }
  }

  /**
   * Removes all but the versions of each model that were used last and those that `names` stand for, and the files that none of the
   * rest has. A file that has just come may belong to a version that another process still fetches: it stays for a day.
   */
  async removeUnused(versionsPerModel: number, names: readonly string[]): Promise<void> {
    const named = names.map(name => this.#recordOf(name))
    const records = await this.#records()
    const used = new Map<string, string[]>()
    const kept = new Set<string>()
    for (const { place, version } of records) {
      const versions = used.get(version.name) ?? []
      if (!versions.includes(version.version)) versions.push(version.version)
      used.set(version.name, versions)
      if (versions.indexOf(version.version) >= versionsPerModel && !named.includes(place)) await rm(place, { force: true })
      else for (const { sha256 } of version.files) kept.add(sha256)
    }
    const folder = join(this.#directory, 'files')
    for (const name of await readdir(folder, { recursive: true }).catch(() => [])) {
      const sha256 = basename(name)
      if (sha256.length === 64 && !kept.has(sha256)) await removeOld(join(folder, name))
    }
  }

  /** Removes what processes that died have left. */
  async tidy(): Promise<void> {
    const folder = join(this.#directory, 'partial')
    for (const name of await readdir(folder).catch(() => [])) await removeOld(join(folder, name))
  }

  /** A folder to work in, which is removed at the end. */
  async withFolder<Result>(work: (directory: string) => Promise<Result>): Promise<Result> {
    const directory = join(this.#directory, 'partial', randomUUID())
    await mkdir(directory, { recursive: true, mode: 0o700 })
    return work(directory).finally(() => rm(directory, { recursive: true, force: true }))
  }

  /** The last used first; a record that cannot be read is none. */
  async #records(): Promise<{ place: string; version: CachedVersion }[]> {
    const folder = join(this.#directory, 'versions')
    const names = await readdir(folder).catch(() => [])
    const read = names.map(async name => {
      const place = join(folder, name)
      const [text, found] = await Promise.all([readFile(place, 'utf8'), stat(place)]).catch(() => ['', undefined] as const)
      const { data: version } = cachedVersion.safeParse(jsonOf(text))
      return version && found ? [{ place, version, usedMs: found.mtimeMs }] : []
    })
    return (await Promise.all(read)).flat().sort((a, b) => b.usedMs - a.usedMs)
  }

  async #isWhole({ sha256 }: CachedFile): Promise<boolean> {
    return (await digestOf(this.#fileOf(sha256))) === sha256
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

/** Reads a file piece by piece, because the digest of a large model at once would hold up every request. Undefined where it is not there. */
async function digestOf(path: string, each: (piece: Buffer) => Promise<unknown> = async () => {}): Promise<string | undefined> {
  const file = await open(path).catch(() => undefined)
  if (file === undefined) return undefined
  const hash = createHash('sha256')
  // The stream closes the file.
  for await (const piece of file.createReadStream()) {
    hash.update(piece)
    await each(piece)
  }
  return hash.digest('hex')
}

async function removeOld(place: string): Promise<void> {
  const found = await stat(place).catch(() => undefined)
  if (found && Date.now() - found.mtimeMs > LEFT_OVER_MS) await rm(place, { recursive: true, force: true })
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
