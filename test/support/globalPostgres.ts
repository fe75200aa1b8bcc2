import type { TestProject } from 'vitest/node'
import { startPostgresServer } from './postgresServer.js'

declare module 'vitest' {
  interface ProvidedContext {
    /** A PostgreSQL server for all tests; each test file creates its own databases on it. */
    postgresUrl: string
  }
}

/** One real PostgreSQL for the whole run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await startPostgresServer()
  project.provide('postgresUrl', url)
  return stop
}
