import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { lockedPid } from './embeddedServers.js'
import { prepareState } from './postgresServer.js'
import { endProcess, present } from './process.js'

export interface StateDirectory extends AsyncDisposable {
  readonly path: string
  /** Of the PostgreSQL that runs here. */
  postmaster(): number
  /** The postmaster and all its children. */
  postgresProcesses(): number[]
  /** A process that serves a session: unlike a worker of its own, one that does not end by itself. */
  backend(): number
}

/** A state directory with a database cluster: a gateway need not make one. */
export function preparedStateDirectory(): StateDirectory {
  const state = newStateDirectory()
  prepareState(state.path)
  return state
}

/** An empty state directory for gateways of a test. What still runs in it at the end is ended. */
export function newStateDirectory(): StateDirectory {
  const path = mkdtempSync(join(tmpdir(), 'riskgate-process-'))
  // As root the data would else go to a system directory, where nobody removes them.
  chmodSync(path, 0o755)
  const data = join(path, 'postgres')
  const postmaster = () => present(lockedPid(data), 'postmaster')
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
