import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'

/** A real PostgreSQL server: the one of TEST_DATABASE_URL, or an embedded one that `stop` removes. */
export async function startPostgresServer(): Promise<{ url: string; stop(): Promise<void> }> {
  const { TEST_DATABASE_URL } = process.env
  if (TEST_DATABASE_URL) return { url: TEST_DATABASE_URL, stop: async () => {} }
  const stateDirectory = await mkdtemp(join(tmpdir(), 'riskgate-test-'))
  // Without this, root's data would go to a system directory, where no one removes it.
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
