import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { createDatabase, type TestDatabase } from './database.js'
import { type PostgresServer, startPostgresServer } from './postgresServer.js'

const UNIT_TESTS = join(import.meta.dirname, '../unit/')

/**
 * One real PostgreSQL for each worker: the feed of alerts waits for the oldest transaction of the whole server, so test files that
 * run at the same time on one server would wait for each other.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started = await Promise.allSettled(Array.from({ length: serversNeeded(project) }, startWorkerServer))
  const servers = started.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const stop = async () => void (await Promise.all(servers.map(server => server[Symbol.asyncDispose]())))
  const failure = started.find(result => result.status === 'rejected')
  if (failure) {
    await stop()
    throw failure.reason
  }
  project.provide(
    'postgresServers',
    servers.map(({ url, template }) => ({ url, template: template.name })),
  )
  return stop
}

/** None for unit tests, and no more than there are test files. */
function serversNeeded({ vitest }: TestProject): number {
  const files = vitest.state.getPaths().filter(path => !path.startsWith(UNIT_TESTS))
  return Math.min(files.length, process.env.TEST_DATABASE_URL ? 1 : (vitest.config.maxWorkers ?? 1))
}

async function startWorkerServer(): Promise<AsyncDisposable & { url: string; template: TestDatabase }> {
  const server = await startPostgresServer()
  try {
    const template = await migratedTemplate(server)
    return {
      url: server.url,
      template,
      async [Symbol.asyncDispose]() {
        await template[Symbol.asyncDispose]()
        await server.stop()
      },
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

async function migratedTemplate({ url }: PostgresServer): Promise<TestDatabase> {
  const template = await createDatabase(url)
  await migrateDatabase(template.url)
  // Each copy opens an epoch of its own, as a new database does.
  await template.sql`delete from feed_epochs`
  // A database that somebody is connected to cannot be copied.
  await template.sql.end()
  return template
}
