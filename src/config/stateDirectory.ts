import { access, constants, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError } from '../errors.js'

// 711, not 700: an embedded Postgres that runs as another uid has its files below.
const MODE = 0o711

/** Makes the state directory unless it is there. @throws ConfigError where it cannot be made, or not be written to */
export async function makeStateDirectory(path: string): Promise<void> {
  try {
    await makeDirectory(path)
    await access(path, constants.W_OK | constants.X_OK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([
      `RISKGATE_STATE_DIR: ${path} is not a directory that this user can write to (${code}). Choose another.`,
    ])
  }
}

/** With its parents. Not by `recursive`, which tries for ever where a parent allows no directory below it, as /proc does. */
async function makeDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: MODE })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && (await isDirectory(path))) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || (await isDirectory(parent))) throw error
    await makeDirectory(parent)
    await mkdir(path, { mode: MODE })
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    status => status.isDirectory(),
    () => false,
  )
}
