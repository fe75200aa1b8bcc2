import {
  closeSync,
  constants,
  existsSync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { nameOfProcess, processExists } from './embeddedBinaries.js'

/** The contents of postmaster.pid. */
export interface LockFile {
  readonly pid: number
  readonly port: number | undefined
  readonly ready: boolean
}

const MAX_PID = 2 ** 31 - 1
// Follows no links: the directory belongs to the unprivileged account, and we may be root.
const READ_WRITE = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)

/** Undefined where there is no lock file, or a damaged one. */
export function readLockFile(data: string): LockFile | undefined {
  try {
    return parse(readFileSync(pathOf(data), 'utf8'))
  } catch {
    return undefined
  }
}

/** Whether the lock file names no process, as after a crash or on a full disk. */
export function isLockFileDamaged(data: string): boolean {
  return existsSync(pathOf(data)) && readLockFile(data) === undefined
}

/**
 * Makes PostgreSQL pass over a lock file that a dead server left: one whose pid now belongs to a stranger, or a damaged one.
 * Returns false where a damaged file may be that of a living server: one that is just starting has an empty file.
 */
export function freeLockFile(data: string): boolean {
  const lock = readLockFile(data)
  if (lock) disownLockFile(data, lock)
  else if (isLockFileDamaged(data)) return replaceDamaged(data)
  return true
}

/**
 * PostgreSQL skips the pid of its parent, and still checks the shared memory that the file names. It would not check that if the
 * file were removed.
 */
export function disownLockFile(data: string, lock: LockFile): void {
  if (!processExists(lock.pid)) return
  rewrite(data, text => {
    const [, ...rest] = text.split('\n')
    return parse(text)?.pid === lock.pid ? [process.pid, ...rest].join('\n') : undefined
  })
}

function replaceDamaged(data: string): boolean {
  return rewrite(data, text => (parse(text) || mayHaveServer(data) ? undefined : `${process.pid}\n`))
}

/**
 * Replaces the text of the lock file; undefined leaves it, and so does a file that is gone. The file is held open: when another
 * gateway's server makes a new one meanwhile, this writes into the old file, which has no name.
 */
function rewrite(data: string, newText: (text: string) => string | undefined): boolean {
  const file = openIfThere(pathOf(data))
  if (file === undefined) return false
  try {
    const text = newText(readFileSync(file, 'utf8'))
    if (text === undefined) return false
    ftruncateSync(file)
    writeSync(file, text, 0)
    return true
  } finally {
    closeSync(file)
  }
}

/** A server that starts removes a file that was left before it makes its own. */
function openIfThere(path: string): number | undefined {
  try {
    return openSync(path, READ_WRITE)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Whether a process works in the data, as PostgreSQL does from before it makes its lock file. Only Linux tells. */
function mayHaveServer(data: string): boolean {
  if (process.platform !== 'linux') return true
  return readdirSync('/proc').some(name => /^\d+$/.test(name) && mayServe(name, data))
}

function mayServe(pid: string, data: string): boolean {
  try {
    return readlinkSync(`/proc/${pid}/cwd`) === data
  } catch (error) {
    // EACCES: a process of another user, which we cannot look into. Any other error: it has ended.
    return (error as NodeJS.ErrnoException).code === 'EACCES' && nameOfProcess(pid) === 'postgres'
  }
}

function parse(text: string): LockFile | undefined {
  const lines = text.split('\n')
  // Read as PostgreSQL reads it. A server for a single user writes its pid below zero.
  const pid = Math.abs(Number.parseInt(lines[0] ?? '', 10))
  if (!(pid > 0 && pid <= MAX_PID)) return undefined
  // A server that is just starting has written only the first lines.
  return { pid, port: Number(lines[3]) || undefined, ready: lines[7]?.trim() === 'ready' }
}

function pathOf(data: string): string {
  return join(data, 'postmaster.pid')
}
