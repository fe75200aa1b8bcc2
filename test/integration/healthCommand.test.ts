import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makePair, mountSecret } from '../support/certificates.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { freePort } from '../support/redis.js'

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

describe('riskgate health', () => {
  it('asks a gateway that listens everywhere at the loopback address', async () => {
    const settings = { DATABASE_URL: database.url, RISKGATE_HOST: '::', RISKGATE_PORT: String(await freePort()), ...TEST_KEY }
    await using gateway = await spawnGateway(settings)
    expect(await runCommand(['health'], settings)).toMatchObject({ status: 0, stdout: '{"status":"ok"}\n', stderr: '' })
    await gateway.kill()
    const stderr = `riskgate: The gateway does not answer at [::1]:${settings.RISKGATE_PORT} (ECONNREFUSED).\n`
    expect(await runCommand(['health'], settings)).toMatchObject({ status: 1, stdout: '', stderr })
  })

  it('tells with --ready whether the gateway may get traffic, also over TLS', async () => {
    await using pair = await mountSecret(await makePair())
    const tls = { RISKGATE_TLS_CERT_FILE: pair.certFile, RISKGATE_TLS_KEY_FILE: pair.keyFile }
    const settings = { DATABASE_URL: database.url, RISKGATE_PORT: String(await freePort()), ...tls, ...TEST_KEY }
    await using _gateway = await spawnGateway(settings)
    const ready = '{"status":"ready","reasons":[]}\n'
    expect(await runCommand(['health', '--ready'], settings)).toMatchObject({ status: 0, stdout: ready, stderr: '' })
    await database.sql.unsafe(`alter database ${database.name} set synchronous_commit = off`)
    await database.sql`select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = ${database.name}`
    const { status, stderr } = await runCommand(['health', '--ready'], settings)
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(/^riskgate: The gateway answers 503: .*"not ready"/),
    })
    expect(await runCommand(['health'], settings)).toMatchObject({ status: 0 })
  })

  it('gives up on a gateway that does not answer', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise(listening => server.once('listening', listening))
    const { port } = server.address() as { port: number }
    const stderr = `riskgate: The gateway does not answer at 127.0.0.1:${port} (within 3 s).\n`
    expect(await runCommand(['health'], { RISKGATE_PORT: String(port) })).toMatchObject({ status: 1, stderr })
    server.close()
  })

  it('cannot know a port that the gateway chooses', async () => {
    const stderr = 'riskgate: RISKGATE_PORT is 0: nobody can know which port the gateway has chosen.\n'
    expect(await runCommand(['health'], { RISKGATE_PORT: '0' })).toMatchObject({ status: 1, stderr })
  })
})
