import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { prepareState } from './postgresServer.js'
import { endProcess, present } from './process.js'

export interface StateDirectory extends AsyncDisposable {
  readonly path: string
  /** The pid of the PostgreSQL server that runs here. */
  postmaster(): number
  /** The postmaster and all its children. */
  postgresProcesses(): number[]
  /** The pid of a process that serves a session; unlike a background worker, it does not end by itself. */
  backend(): number
}

/** A state directory that has a database cluster already. */
export function preparedStateDirectory(): StateDirectory {
  const state = newStateDirectory()
  prepareState(state.path)
  return state
}

/** An empty state directory for a test's gateways. A PostgreSQL server that still runs in it at the end is ended. */
export function newStateDirectory(): StateDirectory {
  const path = mkdtempSync(join(tmpdir(), 'riskgate-process-'))
  // Without this, root's data would go to a system directory, where no one removes it.
  chmodSync(path, 0o755)
  const data = join(path, 'postgres')
  const postmaster = () => postmasterPid(data)
  return {
    path,
    postmaster,
    postgresProcesses: () => [postmaster(), ...childrenOf(postmaster())],
    backend: () => present(childrenOf(postmaster()).findLast(servesSession), 'backend'),
    async [Symbol.asyncDispose]() {
      await endProcess(lockedPid(data), 'SIGQUIT')
      rmSync(path, { recursive: true, force: true })
    },
  }
}

/** The pid in the lock file of a data directory. */
export function lockedPid(data: string): number | undefined {
  const path = join(data, 'postmaster.pid')
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[0]) : undefined
}

export function postmasterPid(data: string): number {
  return present(lockedPid(data), 'postmaster')
}

function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && parentOf(name) === parent)
    .map(Number)
}

function servesSession(pid: number): boolean {
  return /127\.0\.0\.1\(\d+\)/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
}

function parentOf(pid: string): number | undefined {
  try {
    return Number(/\) \S (\d+)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1])
  } catch {
    return undefined
  }
}
