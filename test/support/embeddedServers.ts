import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import postgres from 'postgres'
import { build } from 'vite'
import { afterEach } from 'vitest'
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { testFolder } from './folder.js'
import { prepareState } from './postgresServer.js'
import { endProcess, present } from './process.js'

export const isRoot = process.getuid?.() === 0

/** Embedded servers of one test file. Each test's servers end after it; the directories are removed after the last test. */
export function embeddedServers() {
  // Most tests need a path that others can enter; the test of a closed path makes its own.
  const root = testFolder('embedded', 0o755)
  const undo: (() => unknown)[] = []
  const messages: string[] = []
  let count = 0

  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step()
    messages.length = 0
  }, 30_000)

  const helpers = {
    root,
    /** Messages that the servers logged in this test. */
    messages,
    /** Registers steps that run at the end of the test, the last one first. */
    defer: (...steps: (() => unknown)[]) => undo.push(...steps),
    /** A state directory with a database cluster. */
    preparedState(): string {
      const state = helpers.newState()
      mkdirSync(state)
      prepareState(state)
      return state
    },
    /** Where a state directory can be made. */
    newState(): string {
      const state = join(root, String(++count), '.riskgate')
      mkdirSync(dirname(state))
      // A server that a failed test left running is ended by the pid in its lock file.
      undo.push(() => endProcess(lockedPid(join(state, 'postgres')), 'SIGQUIT'))
      return state
    },
    async start(stateDirectory: string, binDirectory?: string): Promise<EmbeddedPostgres> {
      const bin = binDirectory === undefined ? {} : { binDirectory }
      const server = await startEmbeddedPostgres({ stateDirectory, ...bin, log: message => messages.push(message) })
      undo.push(() => server.stop())
      return server
    },
    connect(server: { url: string }, name = 'test'): postgres.Sql {
      const sql = postgres(server.url, { max: 1, onnotice: () => undefined, connection: { application_name: name } })
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

/** The pid in the lock file of a data directory. */
export function lockedPid(data: string): number | undefined {
  const path = join(data, 'postmaster.pid')
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[0]) : undefined
}

export function postmasterPid(data: string): number {
  return present(lockedPid(data), 'postmaster')
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
