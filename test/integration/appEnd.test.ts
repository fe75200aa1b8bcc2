import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, vi } from 'vitest'
import { AlertFeed } from '../../src/alerts/feed.js'
import { createApp } from '../../src/app.js'
import { loadConfig } from '../../src/config/config.js'
import { waitForDatabase } from '../../src/storage/postgres/waitForDatabase.js'
import { createTestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { launchGateway, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { migrationLock } from '../support/migrationLock.js'
import { until } from '../support/process.js'
import { freePort } from '../support/redis.js'

describe('an app', () => {
  it('closes all other parts even if one throws on closing', async () => {
    await using database = await createTestDatabase()
    const gateway = await startGateway({}, database)
    const stop = AlertFeed.prototype.stop
    const failing = vi.spyOn(AlertFeed.prototype, 'stop').mockImplementation(function (this: AlertFeed) {
      void stop.call(this)
      throw new Error('a part that fails')
    })
    await gateway[Symbol.asyncDispose]()
    expect(failing).toHaveBeenCalledOnce()
    failing.mockRestore()
    await until(async () => {
      const open = await database.sql`
        select from pg_stat_activity where datname = current_database() and application_name like 'riskgate%'`
      return open.length === 0
    })
  })

  it('does not start after it has been stopped', async () => {
    const nowhere = `postgres://user@127.0.0.1:${await freePort()}/none`
    const app = createApp(loadConfig({ DATABASE_URL: nowhere, RISKGATE_LOG_LEVEL: 'silent', ...TEST_KEY }))
    await app.stop()
    await expect(app.start()).rejects.toThrow('has been stopped')
  })
})

describe('a gateway process', () => {
  it('ends on SIGTERM while it waits for another gateway that migrates', async () => {
    await using database = await createTestDatabase()
    const other = await migrationLock(database)
    await using gateway = launchGateway({ DATABASE_URL: database.url, ...TEST_KEY })
    await gateway.logged('another gateway migrates; waiting')
    gateway.stop()
    expect(await gateway.exited).toMatchObject({ status: 0, stderr: '' })
    await other.release()
  })

  it.each([
    ['a rejection', 'Promise.reject(Object.assign(TypeError("can"+"ary"),{code:"E_KIND"}))'],
    ['an exception', 'setImmediate(()=>{throw(Object.assign(TypeError("can"+"ary"),{code:"E_KIND"}))})'],
  ])('ends with status 1 after %s that is not caught, and logs its type but not its message', async (_what, failure) => {
    await using database = await createTestDatabase()
    const failing = `data:text/javascript,${encodeURIComponent(`process.once("SIGUSR2",()=>{${failure}})`)}`
    await using gateway = await spawnGateway({
      DATABASE_URL: database.url,
      NODE_OPTIONS: `--import=${failing}`,
      ...TEST_KEY,
    })
    process.kill(gateway.pid, 'SIGUSR2')
    const { status, stdout, stderr } = await gateway.exited
    expect({ status, stderr }).toEqual({ status: 1, stderr: '' })
    expect(gateway.log().at(-1)).toMatchObject({ 'log.level': 'error', 'error.type': 'TypeError', 'error.code': 'E_KIND' })
    expect(stdout).not.toContain('canary')
  })
})

// The timeout is shorter than the 5 s after which the driver gives up by itself.
describe('waitForDatabase', { timeout: 4_000 }, () => {
  it('gives up at once when its signal aborts, also while the server does not answer', async () => {
    const silent = createServer().listen(0, '127.0.0.1')
    await once(silent, 'listening')
    const { port } = silent.address() as { port: number }
    const stop = new AbortController()
    const connected = once(silent, 'connection')
    const waiting = expect(
      waitForDatabase(`postgres://user@127.0.0.1:${port}/none`, () => undefined, stop.signal),
    ).rejects.toMatchObject({ name: 'AbortError' })
    const [socket] = await connected
    const closed = once(socket.resume(), 'close')
    stop.abort()
    await closed
    await waiting
    silent.close()
  })
})
