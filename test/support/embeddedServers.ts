import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import { build } from 'vite'
import { afterEach } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { endProcess, present } from './process.js'
import { newStateDirectory, preparedStateDirectory, type StateDirectory } from './stateDirectory.js'

export const isRoot = process.getuid?.() === 0

/** Embedded servers of one test file. After each test they end, and their directories are removed. */
export function embeddedServers() {
  const undo: (() => unknown)[] = []
  const messages: string[] = []

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step()
    messages.length = 0
  }, 30_000)

  function used(state: StateDirectory): string {
    undo.push(() => state[Symbol.asyncDispose]())
    return state.path
  }

  const helpers = {
    /** Messages that the servers logged in this test. */
    messages,
    /** Registers steps that run at the end of the test, the last one first. */
    defer: (...steps: (() => unknown)[]) => undo.push(...steps),
    /** The path of a state directory with a database cluster. */
    preparedState: () => used(preparedStateDirectory()),
    /** The path of an empty state directory. */
    newState: () => used(newStateDirectory()),
    async start(stateDirectory: string, binDirectory?: string): Promise<EmbeddedPostgres> {
      const bin = binDirectory === undefined ? {} : { binDirectory }
      const server = await startEmbeddedPostgres({ stateDirectory, ...bin, log: message => messages.push(message) })
      undo.push(() => server.stop())
      return server
    },
    connect(server: { url: string }, name = 'test'): postgres.Sql {
      const sql = postgres(server.url, {
        max: 1,
        // postgres.js leaves the rejection of this look-up unhandled where a connection breaks.
        fetch_types: false,
        onnotice: () => undefined,
        connection: { application_name: name },
      })
      undo.push(() => sql.end({ timeout: 0 }))
      return sql
    },
    answers(server: { url: string }): Promise<boolean> {
      return helpers.connect(server)`select 1`.then(
        () => true,
        () => false,
      )
    },
    /** A process that starts the embedded server of a state directory, from a bundle in `directory`. */
    launchOwner(directory: string, state: string): ChildProcess {
      const stdio = ['ignore', 'pipe', 'inherit'] as const
      const owner = spawn(process.execPath, [join(directory, 'owner.mjs'), state], { detached: true, stdio: [...stdio] })
      undo.push(() => endProcess(owner.pid, 'SIGKILL'))
      return owner
    },
    async spawnOwner(directory: string, state: string): Promise<{ owner: ChildProcess; url: string }> {
      const owner = helpers.launchOwner(directory, state)
      const lines = createInterface(present(owner.stdout))
      const ended = once(owner, 'exit').then(([status]) => Promise.reject(new Error(`the owner ended with ${status}`)))
      const [url] = (await Promise.race([once(lines, 'line'), ended])) as [string]
      ended.catch(() => undefined)
      return { owner, url }
    },
  }
  return helpers
}

/** Bundles a program that owns an embedded server, because Node itself cannot run TypeScript. */
export async function bundleOwner(directory: string): Promise<void> {
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, '../../src/storage/embedded/embeddedPostgres.ts'),
      outDir: directory,
      rolldownOptions: { output: { entryFileNames: 'embedded.mjs' } },
    },
  })
  writeFileSync(
    join(directory, 'owner.mjs'),
    `import { startEmbeddedPostgres } from './embedded.mjs'
    const server = await startEmbeddedPostgres({ stateDirectory: process.argv[2], log: () => undefined })
    console.log(server.url)
    process.once('SIGTERM', () => server.stop())`,
  )
}
