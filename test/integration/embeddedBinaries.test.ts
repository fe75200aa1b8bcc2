import { execFileSync } from 'node:child_process'
import { cpSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { copyBundle, locateBundle } from '../../src/storage/embedded/embeddedBinaries.js'
import { testFolder } from '../support/folder.js'

const folder = testFolder('binaries')

it('makes a copy that runs after the checkout is gone, even when the links there are absolute', async () => {
  const checkout = join(folder, 'checkout')
  // Node makes the links of its copy absolute.
  const installed = await locateBundle()
  cpSync(installed.native, checkout, { recursive: true })
  const target = join(folder, 'system/pg-absolute')
  expect(await copyBundle({ ...installed, native: checkout }, target, undefined)).toEqual({
    directory: join(target, 'bin'),
    major: '18',
  })
  rmSync(checkout, { recursive: true })
  expect(execFileSync(join(target, 'bin/postgres'), ['--version'], { encoding: 'utf8' })).toMatch(/^postgres .* 18\./)
})

it('replaces a copy that cannot be run, and leaves nothing beside it', async () => {
  const system = join(folder, 'broken')
  const target = join(system, 'pg-broken')
  const bundle = await locateBundle()
  await copyBundle(bundle, target, undefined)
  truncateSync(join(target, 'bin/postgres'))
  expect(await copyBundle(bundle, target, undefined)).toEqual({ directory: join(target, 'bin'), major: '18' })
  expect(readdirSync(system)).toEqual(['pg-broken'])
})
