import { hkdfSync, randomBytes } from 'node:crypto'
import { link, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ROLES } from '../auth/principal.js'
import type { Tokens } from '../auth/tokens.js'
import { makeStateDirectory } from './stateDirectory.js'

const KEY_BYTES = 32
const TOKEN_TTL_SECONDS = 30 * 24 * 3600

/**
 * Returns the signing key for a start without configuration: made once, kept in the state directory, readable by its owner only.
 * @throws ConfigError where the state directory cannot be used
 */
export async function developmentKey(stateDirectory: string): Promise<Uint8Array> {
  await makeStateDirectory(stateDirectory)
  const file = join(stateDirectory, 'signing.key')
  const draft = `${file}.${process.pid}`
  // Written to a draft and then linked: a start at the same time, or after a crash, never reads half a key, and all read the
  // same.
  await writeFile(draft, randomBytes(KEY_BYTES), { mode: 0o600, flush: true })
  // A full disk may have cut an earlier key short.
  const isCut = await stat(file).then(
    ({ size }) => size !== KEY_BYTES,
    () => false,
  )
  if (isCut) await rm(file, { force: true })
  await link(draft, file).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error
  })
  await unlink(draft)
  return readFile(file)
}

/** The key that signs the reports of checks in development: it follows from the signing key, and is no credential. */
export async function developmentReleaseKey(stateDirectory: string): Promise<Uint8Array> {
  const key = await developmentKey(stateDirectory)
  return new Uint8Array(hkdfSync('sha256', key, '', 'riskgate admission reports', KEY_BYTES))
}

/** Writes dev.json, with the address of this gateway and a token for each role, for people and tools on this machine. */
export async function writeDevelopmentFile(stateDirectory: string, url: string, tokens: Tokens): Promise<string> {
  const signed = await Promise.all(
    ROLES.map(async role => {
      const subject = `dev-${role.toLowerCase().replace('_', '-')}`
      return [role, await tokens.sign({ subject, roles: [role], ttlSeconds: TOKEN_TTL_SECONDS })] as const
    }),
  )
  await makeStateDirectory(stateDirectory)
  const file = join(stateDirectory, 'dev.json')
  const text = `${JSON.stringify({ url, tokens: Object.fromEntries(signed) }, null, 2)}\n`
  // Renamed into place: a reader that waits for the file never reads half of it.
  const draft = `${file}.${process.pid}`
  await writeFile(draft, text, { mode: 0o600 })
  await rename(draft, file)
  return file
}
