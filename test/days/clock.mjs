import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exists } from '../runFolder.mjs'

const SHARED_MEMORY = '/dev/shm'

/**
 * Another clock for processes, as variables of their environment. Only the calendar moves. Timers and `performance` are untouched, as
 * they are when a real clock is set.
 */
export class Clock {
  #directory = mkdtempSync(join(tmpdir(), 'riskgate-clock-'))
  #library

  /** @param {{ library: string, compiler: string }} requirements libfaketime, and a C compiler */
  constructor({ library, compiler }) {
    // PostgreSQL may run as another account.
    chmodSync(this.#directory, 0o755)
    this.#library = library
    const source = join(import.meta.dirname, 'waits.c')
    execFileSync(compiler, ['-shared', '-fPIC', '-nostdlib', '-o', this.#waits, source])
  }

  get #waits() {
    return join(this.#directory, 'waits.so')
  }

  /**
   * The clock shows that instant now, and goes on from there.
   * @param {Date} instant
   * @param {string} [timeZone] the local time zone; else that of the machine
   */
  at(instant, timeZone) {
    const seconds = Math.round((instant.getTime() - Date.now()) / 1_000)
    return {
      LD_PRELOAD: `${this.#waits}:${this.#library}`,
      FAKETIME: `${seconds < 0 ? '' : '+'}${seconds}s`,
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NODE_OPTIONS: `--require ${JSON.stringify(join(import.meta.dirname, 'children.cjs'))}`,
      ...(timeZone && { TZ: timeZone }),
    }
  }

  /** Removes its own files and those that libfaketime left behind: a later process with the same pid could not start. */
  [Symbol.dispose]() {
    rmSync(this.#directory, { recursive: true, force: true })
    for (const name of readdirSync(SHARED_MEMORY)) {
      const pid = /^(?:sem\.)?faketime_(?:sem|shm)_(\d+)$/.exec(name)?.[1]
      if (pid && !exists(Number(pid))) rmSync(join(SHARED_MEMORY, name), { force: true })
    }
  }
}
