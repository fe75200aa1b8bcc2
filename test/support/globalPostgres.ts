import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startEmbeddedPostgres } from '../../src/storage/embedded.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL server for all tests; each test file makes databases of its own. */
    postgresUrl: string
  }
}

/** One real PostgreSQL for the whole run: the one of TEST_DATABASE_URL, else the embedded one. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const { TEST_DATABASE_URL } = process.env
  if (TEST_DATABASE_URL) {
    project.provide('postgresUrl', TEST_DATABASE_URL)
    return undefined
  }
  const stateDirectory = await mkdtemp(join(tmpdir(), 'riskgate-test-'))
  // As root the data would else go to a system directory, where nobody removes them.
  await chmod(stateDirectory, 0o755)
  const postgres = await startEmbeddedPostgres({ stateDirectory, log: () => {} })
  project.provide('postgresUrl', postgres.url)
  return async () => {
    await postgres.stop()
    await rm(stateDirectory, { recursive: true, force: true })
  }
}
