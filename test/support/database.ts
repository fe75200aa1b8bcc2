import { randomBytes } from 'node:crypto'
import postgres, { type Sql } from 'postgres'
import { inject } from 'vitest'

export interface TestDatabase extends AsyncDisposable {
  readonly url: string
  readonly sql: Sql
}

/** Creates a new, empty database on the server of this test run. */
export async function createTestDatabase(serverUrl = inject('postgresUrl'), template = 'template1'): Promise<TestDatabase> {
  const name = `test_${randomBytes(6).toString('hex')}`
  const server = postgres(serverUrl, { max: 1, onnotice: () => {} })
  await server.unsafe(`create database ${name} template ${template}`)
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const sql = postgres(url.href, { max: 2, onnotice: () => {} })
  return {
    url: url.href,
    sql,
    async [Symbol.asyncDispose]() {
      await sql.end({ timeout: 1 })
      await server.unsafe(`drop database if exists ${name} with (force)`)
      await server.end({ timeout: 1 })
    },
  }
}
