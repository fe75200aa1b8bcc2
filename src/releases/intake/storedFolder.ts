import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { StoredVersion, VersionStore } from '../rollout/versionStore.js'

/** Lets work on a stored version go on in a folder, as the checks need it, and removes the folder. */
export async function inFolder<T>(
  store: Pick<VersionStore, 'readFile'>,
  { files }: Pick<StoredVersion, 'files'>,
  work: (directory: string) => Promise<T>,
): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-version-'))
  try {
    for (const { name, sha256 } of files) await writeFile(join(directory, name), await store.readFile(sha256))
    return await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
