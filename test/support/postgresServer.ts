import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inject } from 'vitest'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'

export interface PostgresServer {
  readonly url: string
  stop(): Promise<void>
}

/** A real PostgreSQL server that `stop` removes: on a copy of the cluster, or on a new one. */
export async function startPostgresServer(cluster?: string): Promise<PostgresServer> {
  const stateDirectory = await newFolder('riskgate-test-')
  const remove = () => rm(stateDirectory, { recursive: true, force: true })
  try {
    if (cluster) copyCluster(cluster, stateDirectory)
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

/**
 * A state directory with a database cluster to be copied: making one takes longer than all else of a start. `fill` is called with
 * its address while it runs.
 */
export async function makeCluster(fill: (url: string) => Promise<void>): Promise<string> {
  const stateDirectory = await newFolder('riskgate-cluster-')
  const postgres = await startEmbeddedPostgres({ stateDirectory, log: () => {} })
  try {
    await fill(postgres.url)
  } finally {
    await postgres.stop()
  }
  await rm(join(stateDirectory, 'postgres.log'))
  return stateDirectory
}

/** Fills a state directory with the cluster of this run; one is made at the first start where the run uses a given server. */
export function prepareState(stateDirectory: string): void {
  const cluster = inject('cluster')
  if (cluster) copyCluster(cluster, stateDirectory)
}

/** The data keep their owner, who need not be who runs the tests. */
function copyCluster(cluster: string, stateDirectory: string): void {
  execFileSync('cp', ['-a', `${cluster}/.`, stateDirectory])
}

async function newFolder(prefix: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), prefix))
  // As root the data would else go to a system directory, where nobody removes them.
  await chmod(folder, 0o755)
  return folder
}
