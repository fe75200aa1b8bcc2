import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadConfig } from '../../../src/config/config.js'
import { releaseKey } from '../../../src/start/releaseKey.js'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-key-'))
})
afterEach(() => rm(directory, { recursive: true }))

const keyOf = (settings: Record<string, string>) => releaseKey(loadConfig({ RISKGATE_STATE_DIR: directory, ...settings }))

it('reports of checks are signed with the given key', async () => {
  expect(await keyOf({ RISKGATE_RELEASE_KEY: 'k'.repeat(32) })).toEqual(Buffer.from('k'.repeat(32)))
})

it('in development they are signed with a key that follows from the signing key, and is another one', async () => {
  const key = await keyOf({})
  expect(key).toHaveLength(32)
  expect(await keyOf({})).toEqual(key)
  expect(Buffer.from(key as Uint8Array)).not.toEqual(await readFile(join(directory, 'signing.key')))
})

it('otherwise they are not signed', async () => {
  expect(await keyOf({ RISKGATE_JWT_SECRET: 's'.repeat(32), RISKGATE_DEVELOPMENT: 'false' })).toBeUndefined()
})
