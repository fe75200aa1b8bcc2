import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { storeBundledVersions } from './bundledVersions.js'
import { createDatabase, type TestDatabase, type WorkerServer } from './database.js'
import { makeCluster, startPostgresServer } from './postgresServer.js'

const TESTS = join(import.meta.dirname, '..')
const WITH_DATABASE = [
  'api/',
  'integration/',
  'security/',
  'faults/',
  'containers/',
  'dashboards/',
  'upgrade/',
  'field/',
  'swap/',
  'mlflow/',
  'browser/',
].map(folder => join(TESTS, folder))

interface Servers {
  /** One for each worker. The alert feed waits for the oldest transaction of its server: files on one server would wait for each other. */
  readonly servers: readonly WorkerServer[]
  /** A state directory with a database cluster, for the tests that start a PostgreSQL of their own. */
  readonly cluster: string | undefined
  stop(): Promise<unknown>
}

/** Real PostgreSQL for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<unknown>> {
  const { TEST_DATABASE_URL } = process.env
  const { servers, cluster, stop } = await (TEST_DATABASE_URL
    ? prepareServer(TEST_DATABASE_URL)
    : startServers(countFor(project)))
  project.provide('postgresServers', servers)
  project.provide('cluster', cluster)
  return stop
}

/** None where no test needs one, and no more than there are test files. */
function countFor({ vitest }: TestProject): number {
  const files = vitest.state.getPaths().filter(path => WITH_DATABASE.some(folder => path.startsWith(folder)))
  return Math.min(files.length, vitest.config.maxWorkers ?? 1)
}

async function prepareServer(url: string): Promise<Servers> {
  const template = await makeTemplate(url)
  return { servers: [{ url, template: template.name }], cluster: undefined, stop: async () => template[Symbol.asyncDispose]() }
}

async function startServers(count: number): Promise<Servers> {
  if (count === 0) return { servers: [], cluster: undefined, stop: async () => {} }
  let template = ''
  const cluster = await makeCluster(async url => {
    template = (await makeTemplate(url)).name
  })
  const started = await Promise.allSettled(Array.from({ length: count }, () => startPostgresServer(cluster)))
  const running = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const stop = () => Promise.all([...running.map(server => server.stop()), rm(cluster, { recursive: true, force: true })])
  const failure = started.find(result => result.status === 'rejected')
  if (failure) {
    await stop()
    throw failure.reason
  }
  return { servers: running.map(({ url }) => ({ url, template })), cluster, stop }
}

/** A migrated database, to be copied. */
async function makeTemplate(serverUrl: string): Promise<TestDatabase> {
  const template = await createDatabase({ server: serverUrl })
  await migrateDatabase(template.url)
  await storeBundledVersions(template.url)
  // Each copy opens an epoch of its own, as a new database does.
  await template.sql`delete from feed_epochs`
  // A database that somebody is connected to cannot be copied.
  await template.sql.end()
  return template
}
