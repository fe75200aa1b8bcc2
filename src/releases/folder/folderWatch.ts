import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'

// <model>/<version>/<file>
const DEPTH = 3

/**
 * Sees that a folder has changed, by the names, sizes and times of its files. Network file systems and mounted volumes of Kubernetes tell
 * nobody of changes, so the folder is looked at again and again.
 */
export class FolderWatch {
  readonly #directory: string
  #handled: string
  #last: string

  private constructor(directory: string, fingerprint: string) {
    this.#directory = directory
    this.#handled = fingerprint
    this.#last = fingerprint
  }

  /** Begins with the folder as it is. */
  static async begin(directory: string): Promise<FolderWatch> {
    return new FolderWatch(directory, await fingerprint(directory))
  }

  /**
   * Does the work where the folder differs from the last time that the work succeeded, and stands still: files that are being copied are
   * waited for. Returns whether it was done. Work that fails is tried again with the next call.
   */
  async ifChanged(work: () => Promise<void>): Promise<boolean> {
    const now = await fingerprint(this.#directory)
    const isStill = now === this.#last
    this.#last = now
    if (!isStill || now === this.#handled) return false
    await work()
    this.#handled = now
    return true
  }
}

/** A file that cannot be looked at is a fingerprint too. Links are followed: a mounted volume is changed by moving a link. */
async function fingerprint(path: string, depth = DEPTH): Promise<string> {
  try {
    const found = await stat(path)
    if (!found.isDirectory() || depth === 0) return `${found.size} ${found.mtimeMs} ${found.ino}`
    const names = (await readdir(path)).filter(name => !name.startsWith('.')).sort()
    const parts = await Promise.all(names.map(async name => `${name}(${await fingerprint(join(path, name), depth - 1)})`))
    return parts.join()
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}
