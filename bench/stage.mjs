import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { Tokens } from '../dist/auth/tokens.js'
import { startEmbeddedPostgres } from '../dist/storage/embedded/embeddedPostgres.js'
import { CREATE_TABLE } from './bareScoring.mjs'
import { Child } from './child.mjs'

const READY_TIMEOUT_MS = 30_000
const POLL_MS = 50
const TOKEN_SECONDS = 3_600
// One client sends as much as the machine can take. Its points are counted as in production, but never run out.
const LIMITS_OUT_OF_REACH = {
  RISKGATE_RATE_LIMIT_PRINCIPAL: '100000000',
  RISKGATE_RATE_LIMIT_TENANT: '100000000',
  RISKGATE_MAX_STREAMS: '100000',
}

/** A database on one PostgreSQL server, and the programs that are measured against it. */
export class Stage {
  #closers = []
  #server = ''
  #closing
  /** The directory of the programs' output; kept if a run fails. */
  directory = ''
  databaseUrl = ''
  sql

  static async open() {
    const stage = new Stage()
    try {
      await stage.#prepare()
      return stage
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  async #prepare() {
    this.directory = await mkdtemp(join(tmpdir(), 'riskgate-bench-'))
    // Without this, root's embedded data would go to a system directory, where no one removes it.
    await chmod(this.directory, 0o755)
    this.#server = await this.#postgres()
    const { url, sql } = await this.createDatabase({ connections: 1 })
    this.databaseUrl = url
    this.sql = sql
    await this.sql.unsafe(CREATE_TABLE)
  }

  /** Creates a database that is dropped at the end. */
  async createDatabase({ connections }) {
    const name = `riskgate_bench_${randomBytes(4).toString('hex')}`
    const admin = postgres(this.#server, { max: 1, onnotice: () => {} })
    this.#closers.push(() => admin.end({ timeout: 1 }))
    await admin.unsafe(`create database ${name}`)
    this.#closers.push(() => admin.unsafe(`drop database ${name} with (force)`))
    const url = new URL(this.#server)
    url.pathname = `/${name}`
    const sql = postgres(url.href, { max: connections, onnotice: () => {} })
    this.#closers.push(() => sql.end({ timeout: 1 }))
    return { url: url.href, sql }
  }

  async #postgres() {
    if (process.env.DATABASE_URL) return process.env.DATABASE_URL
    const embedded = await startEmbeddedPostgres({ stateDirectory: join(this.directory, 'state'), log: () => {} })
    this.#closers.push(() => embedded.stop())
    return embedded.url
  }

  #start(program, { env = {}, name = program, nodeOptions = [] } = {}) {
    const logFile = join(this.directory, `${name.replaceAll(/\W+/g, '-')}.log`)
    const child = new Child({ program, env: { DATABASE_URL: this.databaseUrl, ...env }, nodeOptions, logFile })
    this.#closers.push(() => child.stop())
    return child
  }

  load(program = 'load.mjs') {
    return this.#start(program)
  }

  /** Starts a program of this folder that reports its URL once it is ready. */
  async bare(program) {
    const child = this.#start(program)
    const { url } = await child.message()
    return { child, url, headers: {} }
  }

  /** Starts a gateway that traces a part of its requests, with a collector that takes everything. */
  async tracedRiskgate(ratio) {
    const collector = createHttpServer((request, response) => request.resume().on('end', () => response.end())).listen(
      0,
      '127.0.0.1',
    )
    await once(collector, 'listening')
    this.#closers.push(
      () => collector.closeAllConnections(),
      () => collector.close(),
    )
    const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.address().port}`, RISKGATE_TRACE_RATIO: ratio }
    return this.riskgate({ name: 'traced gateway', env })
  }

  /** Starts the gateway as in production, with everything switched on; of the optional settings only limits are changed. */
  async riskgate({ databaseUrl = this.databaseUrl, name = 'gateway', nodeOptions = [], env = {} } = {}) {
    const secret = randomBytes(32).toString('hex')
    const port = await freePort()
    const settings = {
      NODE_ENV: 'production',
      DATABASE_URL: databaseUrl,
      RISKGATE_PORT: String(port),
      RISKGATE_JWT_SECRET: secret,
      RISKGATE_STATE_DIR: join(this.directory, name),
      ...LIMITS_OUT_OF_REACH,
      ...env,
    }
    const child = this.#start('../dist/main.js', { env: settings, name, nodeOptions })
    const url = `http://127.0.0.1:${port}`
    await Promise.race([isReady(url), child.message()])
    const tokens = new Tokens({ secret: Buffer.from(secret), issuer: 'riskgate', audience: 'riskgate' })
    const headersOf = async (role, subject = 'bench') => {
      const token = await tokens.sign({ subject, roles: [role], ttlSeconds: TOKEN_SECONDS })
      return { authorization: `Bearer ${token}` }
    }
    return { child, url, headersOf, headers: await headersOf('SCORER') }
  }

  /** May be called several times, also at once. */
  close({ keepLogs = false } = {}) {
    this.#closing ??= this.#close(keepLogs)
    return this.#closing
  }

  async #close(keepLogs) {
    for (const close of this.#closers.splice(0).reverse()) await close()
    if (!existsSync(this.directory)) return
    // Logs are small enough to keep; the data is not.
    await rm(keepLogs ? join(this.directory, 'state') : this.directory, { recursive: true, force: true })
  }
}

async function isReady(url) {
  for (const endsAt = Date.now() + READY_TIMEOUT_MS; Date.now() < endsAt; await sleep(POLL_MS)) {
    const ready = await fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
    if (ready) return
  }
  throw new Error('riskgate did not become ready')
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  await once(server, 'close')
  return port
}
