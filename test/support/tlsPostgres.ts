import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import postgres from 'postgres'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import type { TestPair } from './certificates.js'
import { until } from './process.js'
import { preparedStateDirectory } from './stateDirectory.js'

export interface TlsPostgres extends AsyncDisposable {
  readonly port: number
  readonly user: string
  readonly password: string
  readonly database: string
  /** Its address with these parameters, and another host where one is given. */
  url(parameters: string, host?: string): string
  /** Shows this certificate from now on. */
  certify(pair: TestPair): Promise<void>
  /** Replaces pg_hba.conf, and the authority of clients where one is given. */
  admit(rule: string, clientAuthority?: string): Promise<void>
}

/** A real PostgreSQL that offers TLS, or not yet. */
export async function startTlsPostgres(): Promise<TlsPostgres> {
  const state = preparedStateDirectory()
  const server = await startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
  const { port, username, password, pathname } = new URL(server.url)
  const sql = postgres(server.url, { max: 1, fetch_types: false, onnotice: () => {} })
  const data = join(state.path, 'postgres')
  const write = (name: string, text: string) => {
    const { uid, gid } = statSync(data)
    writeFileSync(join(data, name), text)
    chownSync(join(data, name), uid, gid)
    chmodSync(join(data, name), 0o600)
  }
  const reload = async () => {
    const before = await loadedAt()
    await sql`select pg_reload_conf()`
    await until(async () => (await loadedAt()) !== before)
  }
  const loadedAt = async () => (await sql<{ at: string }[]>`select pg_conf_load_time()::text as at`)[0]?.at
  return {
    port: Number(port),
    user: username,
    password,
    database: pathname.slice(1),
    url: (parameters, host = '127.0.0.1') => `postgres://${username}:${password}@${host}:${port}${pathname}?${parameters}`,
    async certify({ cert, key }) {
      write('server.crt', cert)
      write('server.key', key)
      await sql`alter system set ssl = on`
      await reload()
    },
    async admit(rule, clientAuthority) {
      if (clientAuthority !== undefined) {
        write('clients.crt', clientAuthority)
        await sql`alter system set ssl_ca_file = 'clients.crt'`
      }
      // The rule of the test comes first; the connection that administers stays open.
      write('pg_hba.conf', `${rule}\n`)
      await reload()
    },
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 0 })
      await server.stop()
      await state[Symbol.asyncDispose]()
    },
  }
}
