import { existsSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { embeddedServers } from '../support/embeddedServers.js'
import { lives, present, until } from '../support/process.js'
import { postmasterPid } from '../support/stateDirectory.js'

vi.setConfig({ testTimeout: 60_000 })

const { newState, preparedState, start, connect, answers } = embeddedServers()

it('creates a durable database that listens on loopback only and answers a query', async () => {
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

it('adopts the running server, which runs until the last gateway has stopped', async () => {
  const state = preparedState()
  const first = await start(state)
  await connect(first)`create table seen as select 7 as value`
  const second = await start(state)
  expect(second.url).toBe(first.url)
  expect(await connect(second)`select value from seen`).toMatchObject([{ value: 7 }])
  const pid = postmasterPid(join(state, 'postgres'))
  await Promise.all([first.stop(), first.stop()])
  expect(await answers(second)).toBe(true)
  await second.stop()
  expect(lives(pid)).toBe(false)
  const third = await start(state)
  expect(await connect(third)`select value from seen`).toMatchObject([{ value: 7 }])
})

it('leaves the server running for a connection pool of another gateway', async () => {
  const server = await start(preparedState())
  const pool = connect(server, 'riskgate')
  await pool`select 1`
  await server.stop()
  expect(await pool`select 1 as one`).toMatchObject([{ one: 1 }])
})

it('stops the server even while a statement of its own pool still runs', async () => {
  const state = preparedState()
  const server = await start(state)
  const pool = connect(server, `riskgate:${process.pid}`)
  const left = pool`select pg_sleep(60)`.catch(() => undefined)
  await until(async () => (await connect(server)`select from pg_stat_activity where wait_event = 'PgSleep'`).length > 0)
  const pid = postmasterPid(join(state, 'postgres'))
  await server.stop()
  expect(lives(pid)).toBe(false)
  await left
})

it('starts only one server when several gateways start at the same moment', async () => {
  const state = newState()
  const servers = await Promise.all([start(state), start(state), start(state)])
  expect(new Set(servers.map(server => server.url)).size).toBe(1)
  expect(await answers(present(servers[0]))).toBe(true)
  expect(readdirSync(state).filter(name => name.includes('draft'))).toEqual([])
  const pid = postmasterPid(join(state, 'postgres'))
  await Promise.all(servers.map(server => server.stop()))
  expect(lives(pid)).toBe(false)
})

it('writes no statements, parameters or values to its log, even when a backend crashes', async () => {
  const state = preparedState()
  const sql = connect(await start(state))
  await expect(sql`select ${'Ana Applicant'}::text::int`).rejects.toMatchObject({ code: '22P02' })
  await sql`create table people (name text primary key)`
  await sql`insert into people values ('Ana Applicant')`
  await expect(sql`insert into people values ('Ana Applicant')`).rejects.toMatchObject({ code: '23505' })
  await expect(sql.unsafe(`selekt 'Ana Applicant'`)).rejects.toMatchObject({ code: '42601' })
  const [backend] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`
  const hanging = sql`select 'Ana Applicant', pg_sleep(30)`.catch(() => undefined)
  await sleep(100)
  process.kill(present(backend).pid, 'SIGKILL')
  await hanging
  const log = () => readFileSync(join(state, 'postgres.log'), 'utf8')
  await until(() => log().includes('was terminated by signal 9'))
  expect(log()).not.toContain('Ana')
})

it.each<[string, (file: string) => void]>([
  ['lost', rmSync],
  ['empty after a crash', truncateSync],
])('keeps the data if the password file is %s', async (_what, damage) => {
  const state = preparedState()
  const first = await start(state)
  await connect(first)`create table seen as select 7 as value`
  await first.stop()
  damage(join(state, 'postgres.password'))
  const second = await start(state)
  expect(await connect(second)`select value from seen`).toMatchObject([{ value: 7 }])
})

it('leaves no server running if it cannot use the one that it started', async () => {
  const state = preparedState()
  await (await start(state)).stop()
  writeFileSync(join(state, 'postgres.password'), 'that of another copy')
  await expect(start(state)).rejects.toThrow('refuses the password')
  expect(existsSync(join(state, 'postgres/postmaster.pid'))).toBe(false)
})
