import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'

export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/** A real PostgreSQL server: the one of TEST_DATABASE_URL, else an embedded one that is gone afterwards. */
export async function startPostgresServer(): Promise<PostgresServer> {
  const { TEST_DATABASE_URL } = process.env
  if (TEST_DATABASE_URL) return { url: TEST_DATABASE_URL, stop: async () => {} }
  const stateDirectory = await mkdtemp(join(tmpdir(), 'riskgate-test-'))
  // As root the data would else go to a system directory, where nobody removes them.
  await chmod(stateDirectory, 0o755)
  const remove = () => rm(stateDirectory, { recursive: true, force: true })
  try {
    const postgres = await startEmbeddedPostgres({ stateDirectory, log: () => {} })
    return {
      url: postgres.url,
      async stop() {
        await postgres.stop()
        await remove()
      },
    }
  } catch (error) {
    await remove()
    throw error
  }
}
