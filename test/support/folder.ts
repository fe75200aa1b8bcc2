import { randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'

/** A folder of the tests that follow: there from the first to the last of them. */
export function testFolder(name: string, mode = 0o700): string {
  const path = join(tmpdir(), `riskgate-${name}-${randomBytes(6).toString('hex')}`)
  beforeAll(() => {
    mkdirSync(path)
    // The umask may have narrowed it.
    chmodSync(path, mode)
  })
  // Each database is a thousand files, of which some disks remove no more than a few per millisecond.
  afterAll(() => rmSync(path, { recursive: true, force: true }), 60_000)
  return path
}
