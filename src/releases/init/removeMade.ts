import { rename, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** Removes a folder that was made, at once: a gateway may be watching. Names with a leading dot are passed over. */
export async function removeMade(folder: string): Promise<void> {
  const leaving = join(dirname(folder), `.${basename(folder)}.leaving-${process.pid}`)
  await rename(folder, leaving)
  await rm(leaving, { recursive: true })
}
