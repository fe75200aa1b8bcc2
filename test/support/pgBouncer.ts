import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import postgres from 'postgres'
import { endProcess, until } from './process.js'
import { freePort } from './redis.js'

/** Path of pgbouncer; the test command finds or installs it. */
export const PGBOUNCER = process.env.TEST_PGBOUNCER

export interface PgBouncerOptions {
  readonly mode: 'transaction' | 'session'
  /** Its connections to the database. */
  readonly poolSize: number
  /** Settings beside those that it cannot do without. */
  readonly settings?: Readonly<Record<string, string>>
}

/** A real PgBouncer in front of a database. It keeps its address when it ends and starts again. */
export class PgBouncer implements AsyncDisposable {
  /** The address of the database, by way of it. */
  readonly url: string
  readonly #folder: string
  #child: ChildProcess | undefined

  private constructor(url: string, folder: string) {
    this.url = url
    this.#folder = folder
  }

  static async start(databaseUrl: string, { mode, poolSize, settings = {} }: PgBouncerOptions): Promise<PgBouncer> {
    const { hostname, port, username, password } = new URL(databaseUrl)
    const url = new URL(databaseUrl)
    url.port = String(await freePort())
    const folder = mkdtempSync(join(tmpdir(), 'riskgate-pgbouncer-'))
    chmodSync(folder, 0o755)
    const users = join(folder, 'users.txt')
    writeFileSync(users, `"${decodeURIComponent(username)}" "${decodeURIComponent(password)}"\n`)
    const all: Record<string, string> = {
      listen_addr: '127.0.0.1',
      listen_port: url.port,
      unix_socket_dir: '',
      auth_type: 'scram-sha-256',
      auth_file: users,
      pool_mode: mode,
      default_pool_size: String(poolSize),
      ...settings,
    }
    const lines = Object.entries(all).map(([name, value]) => `${name} = ${value}`)
    writeFileSync(
      join(folder, 'pgbouncer.ini'),
      ['[databases]', `* = host=${hostname} port=${port}`, '[pgbouncer]', ...lines, ''].join('\n'),
    )
    const bouncer = new PgBouncer(url.href, folder)
    await bouncer.startAgain()
    return bouncer
  }

  async startAgain(): Promise<void> {
    if (!PGBOUNCER) throw new Error('Run the tests by `npm test`, which finds pgbouncer.')
    const log = openSync(join(this.#folder, 'log'), 'a')
    // It refuses to run as root.
    const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : []
    const child = spawn(PGBOUNCER, [...user, join(this.#folder, 'pgbouncer.ini')], { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#child = child
    const ended = once(child, 'exit').then(([status]) => {
      throw new Error(`pgbouncer ended with ${status}: ${readFileSync(join(this.#folder, 'log'), 'utf8')}`)
    })
    ended.catch(() => {})
    await Promise.race([ended, until(() => answers(this.url), 30_000)])
  }

  /** Ends it with all its connections, as a crash would. */
  async kill(): Promise<void> {
    await endProcess(this.#child?.pid, 'SIGKILL')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

async function answers(url: string): Promise<boolean> {
  const sql = postgres(url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} })
  return sql`select 1`
    .then(
      () => true,
      () => false,
    )
    .finally(() => sql.end({ timeout: 1 }))
}
