import { randomBytes } from 'node:crypto'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { drizzle } from 'drizzle-orm/postgres-js'
import { migrate } from 'drizzle-orm/postgres-js/migrator'
import postgres, { type Sql } from 'postgres'
import { inject } from 'vitest'
import { migrateDatabase } from '../../src/storage/migrate.js'

export interface WorkerServer {
  readonly url: string
  /** The name of a migrated database there, to be copied. */
  readonly template: string
}

declare module 'vitest' {
  interface ProvidedContext {
    postgresServers: readonly WorkerServer[]
    /** A state directory with a database cluster, to be copied. */
    cluster: string | undefined
  }
}

export interface TestDatabase extends AsyncDisposable {
  readonly name: string
  readonly url: string
  readonly sql: Sql
}

// On a disk, writing the copy to the log is faster than waiting for two checkpoints; in memory it is slower.
const COPYING = tmpdir().startsWith('/dev/shm/') ? 'file_copy' : 'wal_log'

/** Creates a migrated database. All of them share one audit key, which a migration made. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { url, template } = workerServer()
  return createDatabase({ server: url, template })
}

/** The PostgreSQL server of this worker, which its test files use one after the other. */
export function workerServer(): WorkerServer {
  const servers = inject('postgresServers')
  const server = servers[Number(process.env.VITEST_POOL_ID) - 1] ?? servers[0]
  if (!server) throw new Error('The tests of this project have no PostgreSQL.')
  return server
}

export interface DatabaseOptions {
  /** The URL of a server; that of this worker unless given. */
  readonly server?: string
  /** The name of a database there, to be copied. It must have no connections. */
  readonly template?: string
}

/** Creates a database: without tables, or a copy. */
export async function createDatabase(options: DatabaseOptions = {}): Promise<TestDatabase> {
  const { server: serverUrl = workerServer().url, template } = options
  const name = `test_${randomBytes(6).toString('hex')}`
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await server.unsafe(`create database ${name} ${template ? `template ${template} strategy ${COPYING}` : ''}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const sql = postgres(url.href, { max: 2, onnotice: () => {} })
  return {
    name,
    url: url.href,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 })
      await server.unsafe(`drop database if exists ${name} with (force)`)
      await server.end({ timeout: 1 })
    },
  }
}

/** Runs the migrations up to the one with this number, as an earlier release did. */
export async function migrateUpTo({ sql }: TestDatabase, last: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'riskgate-migrations-'))
  cpSync('drizzle', folder, { recursive: true })
  const file = join(folder, 'meta/_journal.json')
  const journal: { entries: { idx: number }[] } = JSON.parse(readFileSync(file, 'utf8'))
  writeFileSync(file, JSON.stringify({ ...journal, entries: journal.entries.filter(({ idx }) => idx <= last) }))
  await migrate(drizzle(sql), { migrationsFolder: folder })
  await rm(folder, { recursive: true })
}

/** Makes the database look like one restored into another cluster. */
export async function moveToAnotherCluster({ sql, url }: TestDatabase): Promise<void> {
  await sql`update feed_epochs set cluster = 'another ' || ordinal`
  await migrateDatabase(url)
}
