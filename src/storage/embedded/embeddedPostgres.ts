import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { orAborted } from '../../concurrency/orAborted.js'
import type { Binaries } from './embeddedBinaries.js'
import { prepareBinaries } from './embeddedBinaries.js'
import type { Site } from './embeddedCluster.js'
import { chooseSite, ensureCluster, readPassword, resetPassword } from './embeddedCluster.js'
import type { Presence } from './embeddedConnection.js'
import { connectionUrl, joinServer, leaveServer, othersConnected } from './embeddedConnection.js'
import { disownLockFile, freeLockFile, isLockFileDamaged, readLockFile } from './embeddedLockFile.js'
import {
  Backoff,
  freePort,
  hasEnded,
  MAX_RETRY_MS,
  postmasterLives,
  spawnPostmaster,
  stopOnWindows,
} from './embeddedPostmaster.js'

export interface EmbeddedPostgres {
  /** postgres://… of the running server, on loopback, with its password. */
  readonly url: string
  /** Stops the server when no other gateway uses it; may be called twice, by several at once. */
  stop(): Promise<void>
}

export interface EmbeddedOptions {
  /** Where riskgate keeps its state, e.g. /home/me/project/.riskgate; created when missing. */
  readonly stateDirectory: string
  /** Folder with postgres, initdb, pg_ctl; the bundled PostgreSQL 18 when absent. */
  readonly binDirectory?: string
  readonly log: (message: string, fields?: Record<string, unknown>) => void
  /** Gives the start up. */
  readonly signal?: AbortSignal | undefined
}

interface Server {
  readonly pid: number
  readonly port: number
  readonly presence: Presence
  /** Started by another gateway. */
  readonly adopted: boolean
}

interface BringUp {
  /** The server must have this port, so that a url that was handed out stays valid. */
  readonly fixedPort?: number
  readonly timeoutMs: number
}

const START_TIMEOUT_MS = 60_000
// Much longer than a start without recovery.
const SLOW_START_MS = 2_000
const FAST_STOP_TIMEOUT_MS = 10_000
// On SIGQUIT the postmaster gives its children 5 s before it kills them.
const QUIT_TIMEOUT_MS = 6_000
const POLL_MS = 25
const WATCH_MS = 500
// Without a lock file no earlier server can still be shutting down: the failure will not pass by itself.
const MAX_FAILURES_WITHOUT_LOCK_FILE = 5

/**
 * Starts the PostgreSQL of a state directory, or joins the one that runs there, and keeps it running until stop().
 * @throws AbortError when the signal is aborted
 */
export async function startEmbeddedPostgres(options: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const { signal } = options
  signal?.throwIfAborted()
  const site = await chooseSite(options.stateDirectory)
  const supervisor = new Supervisor(site, options)
  const giveUp = () => supervisor.giveUp()
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    signal?.throwIfAborted()
    await supervisor.start()
  } catch (error) {
    await supervisor.abandon()
    throw error
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
  return supervisor
}

class Supervisor implements EmbeddedPostgres {
  private server: Server | undefined
  private child: ChildProcess | undefined
  private password = ''
  private binaries: Promise<Binaries> | undefined
  private readonly stopped = new AbortController()
  private watcher: NodeJS.Timeout | undefined
  private restarting: Promise<void> | undefined
  private stopping: Promise<void> | undefined

  constructor(
    private readonly site: Site,
    private readonly options: EmbeddedOptions,
  ) {}

  get url(): string {
    return connectionUrl(this.server?.port ?? 0, this.password)
  }

  async start(): Promise<void> {
    const began = performance.now()
    const running = readLockFile(this.site.data)
    const found = running !== undefined && postmasterLives(running.pid, this.site.data)
    if (!found) await this.prepareData()
    this.password = (await readPassword(this.site)) ?? ''
    if (!this.password) throw new Error(`${this.site.passwordFile} is missing while PostgreSQL runs: stop pid ${running?.pid}`)
    this.server = await this.bringUp({ timeoutMs: START_TIMEOUT_MS })
    const { pid, port, adopted } = this.server
    const durationMs = Math.round(performance.now() - began)
    this.options.log('embedded PostgreSQL is ready', { pid, port, adopted, data: this.site.data, durationMs })
    this.watcher = setInterval(() => this.check(), WATCH_MS).unref()
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown()
    return this.stopping
  }

  /** Makes the start fail with an AbortError. */
  giveUp(): void {
    this.stopped.abort()
  }

  /** Cleans up after a failed start: a postmaster that it spawned must not stay; one of another gateway must. */
  async abandon(): Promise<void> {
    this.giveUp()
    if (this.unfinishedChild() !== undefined) await this.stop().catch(() => undefined)
  }

  private async prepareData(): Promise<void> {
    const { signal } = this.stopped
    const binaries = await orAborted(this.findBinaries(), signal)
    await ensureCluster(this.site, binaries, this.options.log, signal)
    if ((await readPassword(this.site)) !== undefined) return
    freeLockFile(this.site.data)
    await resetPassword(this.site, binaries, signal)
  }

  private findBinaries(): Promise<Binaries> {
    const { binDirectory } = this.options
    const { account, copyParent } = this.site
    this.binaries ??= prepareBinaries({ binDirectory, account, copyParent }).catch(error => {
      this.binaries = undefined
      throw error
    })
    return this.binaries
  }

  private async bringUp(request: BringUp): Promise<Server> {
    const slow = setTimeout(() => this.options.log('embedded PostgreSQL is not ready yet; waiting'), SLOW_START_MS)
    return this.joinOrLaunch(request).finally(() => clearTimeout(slow))
  }

  /** Joins the server of these data, or starts it when none runs. The lock file decides between gateways that do so at once. */
  private async joinOrLaunch({ fixedPort, timeoutMs }: BringUp): Promise<Server> {
    const { data } = this.site
    const deadline = performance.now() + timeoutMs
    const retry = new Backoff()
    for (; performance.now() < deadline; await this.pause(POLL_MS)) {
      const lock = readLockFile(data)
      if (lock && postmasterLives(lock.pid, data)) {
        const { port } = lock
        const presence = lock.ready && port ? await joinServer(port, this.password, data, this.stopped.signal) : undefined
        if (presence === 'foreign') disownLockFile(data, lock)
        else if (port && presence) return this.joined(lock.pid, port, presence)
      } else if ((!this.child || hasEnded(this.child)) && retry.due()) {
        this.report(retry.failures, lock !== undefined || fixedPort !== undefined)
        // The port of a crashed server is kept when possible: other gateways wait for it there.
        await this.launch(fixedPort ?? (await freePort(retry.failures < 3 ? lock?.port : undefined)))
      }
    }
    throw new Error(`PostgreSQL was not ready within ${timeoutMs / 1000} s: see ${this.site.logFile}`)
  }

  private async launch(port: number): Promise<void> {
    const binaries = await orAborted(this.findBinaries(), this.stopped.signal)
    // Read again, as another gateway may have been faster. From here to the spawn nothing is awaited.
    const lock = readLockFile(this.site.data)
    if (this.stopped.signal.aborted || (lock && postmasterLives(lock.pid, this.site.data))) return
    if (!freeLockFile(this.site.data)) return
    this.child = spawnPostmaster(this.site, binaries, port)
  }

  private report(failures: number, mayPass: boolean): void {
    if (failures === 0) return
    const { logFile } = this.site
    if (failures >= MAX_FAILURES_WITHOUT_LOCK_FILE && !mayPass) throw new Error(this.whyNotStarted())
    this.options.log('embedded PostgreSQL did not start, trying again', { failures, logFile })
  }

  private whyNotStarted(): string {
    const { data, logFile } = this.site
    return isLockFileDamaged(data)
      ? `${data}/postmaster.pid is damaged, and PostgreSQL may run there: end it, or delete the file if it does not run`
      : `PostgreSQL does not start: see ${logFile}`
  }

  private pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.stopped.signal })
  }

  private joined(pid: number, port: number, presence: Presence): Server {
    const adopted = this.child?.pid !== pid
    // The exit of its own child is noticed at once; that of another gateway's server at the next poll.
    if (!adopted) this.child?.once('exit', () => this.check())
    return { pid, port, presence, adopted }
  }

  private check(): void {
    if (!this.server || this.restarting || this.stopped.signal.aborted) return
    if (postmasterLives(this.server.pid, this.site.data)) return
    this.restarting = this.restart(this.server)
      .catch(error => this.restartFailed(error))
      .finally(() => {
        this.restarting = undefined
      })
  }

  private async restartFailed(error: unknown): Promise<void> {
    if (this.stopped.signal.aborted) return
    this.options.log('embedded PostgreSQL is down', { reason: String(error) })
    await this.pause(MAX_RETRY_MS).catch(() => undefined)
  }

  private async restart(dead: Server): Promise<void> {
    const began = performance.now()
    const { logFile } = this.site
    this.options.log('embedded PostgreSQL died, starting it again', { pid: dead.pid, port: dead.port, logFile })
    await leaveServer(dead.presence)
    this.server = await this.bringUp({ fixedPort: dead.port, timeoutMs: START_TIMEOUT_MS })
    const { pid, port } = this.server
    this.options.log('embedded PostgreSQL is back', { pid, port, durationMs: Math.round(performance.now() - began) })
    if (port !== dead.port) this.options.log('embedded PostgreSQL has another port: restart this gateway', { port })
  }

  private async shutDown(): Promise<void> {
    this.stopped.abort()
    clearInterval(this.watcher)
    await this.restarting
    if (this.server) await leaveServer(this.server.presence)
    const lock = readLockFile(this.site.data)
    const pid = lock && postmasterLives(lock.pid, this.site.data) ? lock.pid : this.unfinishedChild()
    if (pid === undefined) return
    const lives = () => postmasterLives(pid, this.site.data)
    if (lock?.port && (await othersConnected(lock.port, this.password, lives))) {
      return this.options.log('embedded PostgreSQL keeps running for other gateways', { pid, port: lock.port })
    }
    await this.terminate(pid)
  }

  // A child that was started just before stop() and has no lock file yet.
  private unfinishedChild(): number | undefined {
    return this.child && !hasEnded(this.child) ? this.child.pid : undefined
  }

  private async terminate(pid: number): Promise<void> {
    await this.signal(pid, 'SIGINT')
    if (await this.gone(pid, FAST_STOP_TIMEOUT_MS)) return this.options.log('embedded PostgreSQL stopped', { pid })
    this.options.log('embedded PostgreSQL does not stop, ending it at once', { pid })
    await this.signal(pid, 'SIGQUIT')
    if (await this.gone(pid, QUIT_TIMEOUT_MS)) return
    this.options.log('embedded PostgreSQL still runs', { pid, logFile: this.site.logFile })
  }

  private async signal(pid: number, signal: 'SIGINT' | 'SIGQUIT'): Promise<void> {
    try {
      if (process.platform === 'win32') stopOnWindows(this.site, await this.findBinaries(), signal)
      else process.kill(pid, signal)
    } catch (error) {
      const gone = (error as NodeJS.ErrnoException).code === 'ESRCH'
      if (!gone) this.options.log('embedded PostgreSQL cannot be stopped', { pid, reason: String(error) })
    }
  }

  private async gone(pid: number, timeoutMs: number): Promise<boolean> {
    for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await sleep(POLL_MS)) {
      if (this.isGone(pid)) return true
    }
    return false
  }

  /** A child that has just begun does not look like a postmaster yet: it is gone only once it has ended. */
  private isGone(pid: number): boolean {
    return this.child?.pid === pid ? hasEnded(this.child) : !postmasterLives(pid, this.site.data)
  }
}
