import { spawn } from 'node:child_process'
import { chownSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { postmasterLives } from '../../src/storage/embedded/embeddedPostmaster.js'
import { embeddedServers, isRoot } from '../support/embeddedServers.js'
import { endProcess, lives, present, until } from '../support/process.js'
import { lockedPid, postmasterPid } from '../support/stateDirectory.js'

vi.setConfig({ testTimeout: 60_000 })

// Neither root nor the account of PostgreSQL.
const OTHER_UID = 65_533

const { preparedState, start, connect, answers, defer, messages } = embeddedServers()

it('comes back on the same port with all committed data after a kill -9 of the postmaster', async () => {
  const state = preparedState()
  const [owner, guest] = [await start(state), await start(state)]
  const { url } = owner
  await connect(owner)`create table kept as select generate_series(1, 1000) as n`
  const pid = postmasterPid(join(state, 'postgres'))
  process.kill(pid, 'SIGKILL')
  await until(() => answers(owner))
  expect([owner.url, guest.url]).toEqual([url, url])
  expect(await connect(owner)`select count(*)::int as rows from kept`).toMatchObject([{ rows: 1000 }])
  await until(() => messages.filter(message => message.endsWith('is back')).length === 2)
  expect(postmasterPid(join(state, 'postgres'))).not.toBe(pid)
})

it.each([0, 5, 40, 80])('leaves no process running if it is stopped %i ms into a restart', async delayMs => {
  const state = preparedState()
  const server = await start(state)
  process.kill(postmasterPid(join(state, 'postgres')), 'SIGKILL')
  await until(() => messages.some(message => message.includes('died')))
  await sleep(delayMs)
  await server.stop()
  // Long enough for a postmaster that was started after stop() to write its lock file.
  await sleep(300)
  const pid = lockedPid(join(state, 'postgres'))
  expect(pid === undefined || !lives(pid)).toBe(true)
})

it('still counts as a connected gateway after a crashed backend closed all connections', async () => {
  const state = preparedState()
  const [first, second] = [await start(state), await start(state)]
  const [backend] = await connect(first)<{ pid: number }[]>`select pg_backend_pid() as pid`
  process.kill(present(backend).pid, 'SIGKILL')
  const gateways = () => connect(first)`select 1 from pg_stat_activity where application_name = 'riskgate presence'`
  await until(() =>
    gateways().then(
      rows => rows.length === 2,
      () => false,
    ),
  )
  await second.stop()
  expect(await answers(first)).toBe(true)
  expect(messages.some(message => message.includes('keeps running for other gateways'))).toBe(true)
})

/** Writes postmaster.pid as the account of the data, which PostgreSQL runs as. */
function writeLockFile(state: string, text: string): void {
  const path = join(state, 'postgres/postmaster.pid')
  const { uid, gid } = statSync(join(state, 'postgres'))
  writeFileSync(path, text, { mode: 0o600 })
  if (isRoot) chownSync(path, uid, gid)
}

it.each([
  ['is empty', ''],
  ['holds zeros', '\0'.repeat(64)],
  ['holds other text', 'no pid\n'],
  ['holds a number that is no pid', '99999999999\n'],
])('starts one server for two gateways although postmaster.pid %s', async (_what, text) => {
  const state = preparedState()
  writeLockFile(state, text)
  const [first, second] = await Promise.all([start(state), start(state)])
  expect(first.url).toBe(second.url)
  expect(await answers(first)).toBe(true)
})

it('starts no second server beside one that lives behind a damaged postmaster.pid, and says what to do', async () => {
  const state = preparedState()
  const first = await start(state)
  const lock = readFileSync(join(state, 'postgres/postmaster.pid'), 'utf8')
  truncateSync(join(state, 'postgres/postmaster.pid'))
  await expect(start(state)).rejects.toThrow(`${state}/postgres/postmaster.pid is damaged, and PostgreSQL may run there`)
  expect(readFileSync(join(state, 'postgres/postmaster.pid'), 'utf8')).toBe('')
  expect(await answers(first)).toBe(true)
  writeLockFile(state, lock)
})

it('starts even if an unrelated process has the pid of a killed postmaster', async () => {
  const state = preparedState()
  const first = await start(state)
  const lock = readFileSync(join(state, 'postgres/postmaster.pid'), 'utf8')
  await first.stop()
  const { uid, gid } = statSync(join(state, 'postgres'))
  const stranger = spawn('sleep', ['60'], { ...(isRoot ? { uid, gid } : {}), stdio: 'ignore' })
  defer(() => endProcess(stranger.pid, 'SIGKILL'))
  writeLockFile(state, lock.replace(/^\d+/, String(stranger.pid)))
  expect(await answers(await start(state))).toBe(true)
  expect(lives(present(stranger.pid))).toBe(true)
})

it.runIf(isRoot)('looks at the name of a process that it cannot look into: only PostgreSQL counts', async () => {
  const state = preparedState()
  await start(state)
  const data = join(state, 'postgres')
  const postmaster = Number.parseInt(readFileSync(join(data, 'postmaster.pid'), 'utf8'), 10)
  const stranger = spawn('sleep', ['60'], { stdio: 'ignore' })
  defer(() => endProcess(stranger.pid, 'SIGKILL'))
  process.seteuid?.(OTHER_UID)
  try {
    expect([present(stranger.pid), postmaster].map(pid => postmasterLives(pid, data))).toEqual([false, true])
  } finally {
    process.seteuid?.(0)
  }
})
