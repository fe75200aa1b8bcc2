import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { closeSync, fchownSync, openSync, readFileSync, readlinkSync, renameSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import type { Binaries } from './embeddedBinaries.js'
import { executable, nameOfProcess, POSTGRES_ENVIRONMENT, processExists } from './embeddedBinaries.js'
import type { Site } from './embeddedCluster.js'

const FIRST_RETRY_MS = 100
const RETRY_GROWTH = 1.5
export const MAX_RETRY_MS = 5_000
const MAX_LOG_BYTES = 10_000_000

// Durability settings are absent on purpose: PostgreSQL's defaults (fsync, synchronous_commit, full_page_writes on) are safe.
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '100',
  shared_buffers: '128MB',
  lc_messages: 'C',
  // Applicants' data must not reach the log. Messages of level ERROR quote values ("invalid input syntax"): "log" omits them.
  // DETAIL quotes keys and, after a crash, the statement: "terse" omits it.
  log_min_messages: 'log',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
  log_parameter_max_length: '0',
  log_parameter_max_length_on_error: '0',
  log_statement: 'none',
  log_checkpoints: 'off',
}

/** Whether the process is the postmaster of these data, not a stranger that got its pid after a crash or a container restart. */
export function postmasterLives(pid: number, data: string): boolean {
  // After disownLockFile the file holds our own pid.
  if (pid === process.pid || !processExists(pid)) return false
  if (process.platform !== 'linux') return true
  try {
    // Below a pid 1 that reaps no children, a dead postmaster stays a zombie for ever.
    if (/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) return false
    return readlinkSync(`/proc/${pid}/cwd`) === data
  } catch (error) {
    // EACCES: a process of another user, which we cannot look into. After a restart of the machine it may be any program.
    return (error as NodeJS.ErrnoException).code === 'EACCES' && nameOfProcess(pid) === 'postgres'
  }
}

/** Starts a postmaster in a session of its own: Ctrl-C and the gateway's death do not reach it. */
export function spawnPostmaster(site: Site, binaries: Binaries, port: number): ChildProcess {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const output = openLog(site)
  const child = spawn(executable(binaries, 'postgres'), ['-D', site.data, '-p', String(port), ...settings], {
    ...site.account,
    cwd: site.home,
    env: POSTGRES_ENVIRONMENT,
    detached: true,
    windowsHide: true,
    stdio: ['ignore', output, output],
  })
  // A failed spawn shows as an exit; without a listener the error would end the gateway.
  child.on('error', () => undefined)
  child.unref()
  closeSync(output)
  return child
}

/** On Windows, Node's signals end a process without any shutdown; pg_ctl asks for one. */
export function stopOnWindows(site: Site, binaries: Binaries, signal: 'SIGINT' | 'SIGQUIT'): void {
  const mode = signal === 'SIGINT' ? 'fast' : 'immediate'
  const asked = spawn(executable(binaries, 'pg_ctl'), ['stop', '-W', '-m', mode, '-D', site.data], { stdio: 'ignore' })
  asked.on('error', () => undefined)
}

function openLog({ logFile, account }: Site): number {
  const bytes = statSync(logFile, { throwIfNoEntry: false })?.size ?? 0
  if (bytes > MAX_LOG_BYTES) renameSync(logFile, `${logFile}.old`)
  const file = openSync(logFile, 'a', 0o600)
  // If root kept the log, the owner of the data could not start PostgreSQL later without sudo.
  if (account) fchownSync(file, account.uid, account.gid)
  return file
}

/** The preferred port when nobody listens there, else any free one. */
export async function freePort(preferred: number | undefined): Promise<number> {
  const wanted = preferred ? await tryPort(preferred) : undefined
  return wanted ?? (await tryPort(0)) ?? Promise.reject(new Error('no free port on 127.0.0.1'))
}

async function tryPort(port: number): Promise<number | undefined> {
  return new Promise(resolve => {
    const server = createServer()
    server.once('error', () => resolve(undefined))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' ? address?.port : undefined))
    })
  })
}

/** Spaces the attempts to start. In between, the loop keeps looking, as another gateway's attempt may succeed first. */
export class Backoff {
  failures = -1
  private nextAt = 0

  due(): boolean {
    if (performance.now() < this.nextAt) return false
    this.failures += 1
    this.nextAt = performance.now() + Math.min(FIRST_RETRY_MS * RETRY_GROWTH ** this.failures, MAX_RETRY_MS)
    return true
  }
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null || child.pid === undefined
}
