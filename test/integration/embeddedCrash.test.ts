import { spawn } from 'node:child_process'
import { chownSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { embeddedServers, isRoot } from '../support/embeddedServers.js'
import { endProcess, lives, present, until } from '../support/process.js'
import { lockedPid, postmasterPid } from '../support/stateDirectory.js'

vi.setConfig({ testTimeout: 60_000 })

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

it('starts even if an unrelated process has the pid of a killed postmaster', async () => {
  const state = preparedState()
  const first = await start(state)
  const path = join(state, 'postgres/postmaster.pid')
  const lock = readFileSync(path, 'utf8')
  await first.stop()
  const { uid, gid } = statSync(join(state, 'postgres'))
  const stranger = spawn('sleep', ['60'], { ...(isRoot ? { uid, gid } : {}), stdio: 'ignore' })
  defer(() => endProcess(stranger.pid, 'SIGKILL'))
  writeFileSync(path, lock.replace(/^\d+/, String(stranger.pid)), { mode: 0o600 })
  if (isRoot) chownSync(path, uid, gid)
  expect(await answers(await start(state))).toBe(true)
  expect(lives(present(stranger.pid))).toBe(true)
})
