import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { disownLockFile, freeLockFile } from '../../../../src/storage/embedded/embeddedLockFile.js'

// A process that lives, and is no postmaster.
const STRANGER = process.ppid
const lock = { pid: STRANGER, port: 5432, ready: true }

describe('a lock file that a dead server left', () => {
  let data: string
  beforeEach(() => {
    data = mkdtempSync(join(tmpdir(), 'riskgate-lock-'))
  })
  afterEach(() => rmSync(data, { recursive: true }))

  const file = () => join(data, 'postmaster.pid')
  const left = (pid: number) => writeFileSync(file(), `${pid}\n/data\n0\n5432\n\n127.0.0.1\n123 456\nready\n`)

  it('gets our pid where its own belongs to a stranger now, and keeps the shared memory that it names', () => {
    left(STRANGER)
    disownLockFile(data, lock)
    expect(readFileSync(file(), 'utf8').split('\n')).toEqual([
      String(process.pid),
      ...'/data,0,5432,,127.0.0.1,123 456,ready,'.split(','),
    ])
  })

  it('is left alone where a server has made a new one since it was read', () => {
    left(process.pid)
    const before = readFileSync(file(), 'utf8')
    disownLockFile(data, lock)
    expect(readFileSync(file(), 'utf8')).toBe(before)
  })

  it('may be gone: a server that starts removes it before it makes its own', () => {
    expect(() => disownLockFile(data, lock)).not.toThrow()
    expect(freeLockFile(data)).toBe(true)
  })
})
