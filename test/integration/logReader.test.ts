import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { signToken } from '../support/gateway.js'
import { type GatewayProcess, runUnreadCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { ViewerDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'
import { endProcess, until } from '../support/process.js'
import { freePort } from '../support/redis.js'

const ROOT = join(import.meta.dirname, '../..')
const CLIENTS = 8
const PATIENCE_MS = 30_000

/** Calls whose log lines fill the pipe several times over. */
async function fillLog(client: GraphqlClient): Promise<void> {
  let left = 3_000
  const work = async () => {
    while (left-- > 0) await client.data(ViewerDocument, {})
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
}

/** Waits for the end of a gateway whose output nobody reads until then. */
async function endOf(gateway: GatewayProcess) {
  await until(() => !gateway.isRunning, PATIENCE_MS)
  gateway.readAgain()
  return gateway.exited
}

describe('a gateway whose log is no longer read', () => {
  it('serves on, and ends in order on SIGTERM', async () => {
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY })
    gateway.stopReading()
    await fillLog(await gateway.as({ roles: ['ANALYST'] }))
    process.kill(gateway.pid, 'SIGTERM')
    expect(await endOf(gateway)).toMatchObject({ status: 0, stderr: '' })
  })

  it('ends with status 1 after an error that is not caught', async () => {
    await using database = await createTestDatabase()
    const failing = `data:text/javascript,${encodeURIComponent('process.once("SIGUSR2",()=>{throw(Error())})')}`
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, NODE_OPTIONS: `--import=${failing}`, ...TEST_KEY })
    gateway.stopReading()
    await fillLog(await gateway.as({ roles: ['ANALYST'] }))
    process.kill(gateway.pid, 'SIGUSR2')
    expect(await endOf(gateway)).toMatchObject({ status: 1, stderr: '' })
  })

  it('serves on while the disk of its log is full, counts the lost lines, and ends in order', async () => {
    await using database = await createTestDatabase()
    const port = await freePort()
    const env = { PATH: process.env.PATH ?? '', DATABASE_URL: database.url, RISKGATE_PORT: String(port), ...TEST_KEY }
    const child = spawn('sh', ['-c', 'exec node dist/main.js > /dev/full'], { env, cwd: ROOT, stdio: 'inherit' })
    await using gateway = {
      url: `http://127.0.0.1:${port}`,
      environment: TEST_KEY,
      [Symbol.asyncDispose]: () => endProcess(child.pid, 'SIGKILL'),
    }
    const exited = once(child, 'exit')
    await until(async () => (await fetch(`${gateway.url}/readyz`).catch(() => undefined))?.status === 200, PATIENCE_MS)
    await new GraphqlClient(gateway.url, await signToken({ roles: ['MONITOR'] })).data(ViewerDocument, {})
    await until(async () => Number(await metric(gateway, 'riskgate_log_lines_lost_total')) > 0)
    child.kill('SIGTERM')
    expect(await exited).toEqual([0, null])
  })
})

describe('a command whose output is no longer read', () => {
  it.each(['config', 'schema', '--help'])('ends without a word: %s', async command => {
    expect(await runUnreadCommand([command])).toMatchObject({ status: 0, stderr: '' })
  })
})
