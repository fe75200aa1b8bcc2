import { describe, expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { driverOf } from '../../src/storage/postgres/driver.js'
import { workerServer } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { runLoad } from '../support/load.js'
import { freePort } from '../support/redis.js'
import { preparedStateDirectory } from '../support/stateDirectory.js'
import { startTcpProxy } from '../support/tcpProxy.js'

const FAILURES = 100
const SUCCESSES = 50

/** With a host in front where nobody listens. */
async function listed(url: string): Promise<string> {
  const { host } = new URL(url)
  return url.replace(host, `127.0.0.1:${await freePort()},${host}`)
}

describe('a list of hosts', () => {
  it.each(['sslmode=disable', 'sslmode=prefer'])(
    'of which none answers fails each call with the reason: %s',
    async parameters => {
      const url = await listed(`postgres://u:p@127.0.0.1:${await freePort()}/d?${parameters}`)
      await using sql = disposable(url)
      const call = () => sql.driver`select 1`.catch(error => error.code)
      for (let round = 0; round < 3; round++) {
        const codes = await Promise.all(Array.from({ length: 10 }, call))
        expect(new Set(codes)).toEqual(new Set(['ECONNREFUSED']))
      }
    },
  )

  it('answers the first call after a host has come back', async () => {
    const { url } = workerServer()
    const port = await freePort()
    const address = new URL(url)
    address.port = String(port)
    await using sql = disposable(await listed(address.href))
    const call = () => sql.driver`select 1 as one`
    const failed = await Promise.allSettled(Array.from({ length: 20 }, call))
    expect(failed.every(({ status }) => status === 'rejected')).toBe(true)
    await using _server = await startTcpProxy(url, { port })
    expect(await Promise.all(Array.from({ length: 20 }, call))).toHaveLength(20)
  })

  it('is served by a gateway that answers only 503 while PostgreSQL is stopped', { timeout: 60_000 }, async () => {
    await using state = preparedStateDirectory()
    const server = await startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
    const url = await listed(server.url)
    await migrateDatabase(url)
    await using gateway = await startGateway({ DATABASE_URL: url })
    let before = 0
    const { failed, unanswered } = await runLoad(await gateway.as({ roles: ['SCORER'] }), results => {
      if (results.acknowledged.length < SUCCESSES) return false
      // It is started again after each end.
      if (results.failed.length < FAILURES) {
        before = results.acknowledged.length
        stop(state.postmaster)
      }
      return results.acknowledged.length >= before + SUCCESSES
    })
    expect(unanswered).toEqual([])
    expect(failed.length).toBeGreaterThanOrEqual(FAILURES)
    expect(failed.filter(({ status, retryable }) => status !== 503 || !retryable)).toEqual([])
    await server.stop()
  })
})

function disposable(url: string) {
  const driver = driverOf(url)({ max: 4, connect_timeout: 1, backoff: () => 0.05, onnotice: () => {} })
  return { driver, [Symbol.asyncDispose]: () => driver.end({ timeout: 0 }) }
}

function stop(postmaster: () => number): void {
  try {
    process.kill(postmaster(), 'SIGINT')
  } catch {
    // It has ended already.
  }
}
