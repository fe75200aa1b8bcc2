import { describe, expect, it } from 'vitest'
import { createDatabase, createTestDatabase } from '../support/database.js'
import { startGateway } from '../support/gateway.js'
import { launchGateway, runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { freePort } from '../support/redis.js'
import { startTcpProxy } from '../support/tcpProxy.js'

const EXIT_CONFIG = 78
const PASSWORD = 'hunter2-canary'

function changed(databaseUrl: string, change: (url: URL) => void): string {
  const url = new URL(databaseUrl)
  change(url)
  return url.href
}

// Concurrent: most of the time, gateways wait for a database.
describe.concurrent('a DATABASE_URL', () => {
  it('with a wrong password ends the start with status 78 and a message without the password', async () => {
    await using database = await createTestDatabase()
    const wrong = changed(database.url, url => {
      url.password = PASSWORD
    })
    for (const command of ['serve', 'migrate']) {
      const { status, stdout, stderr } = await runCommand([command], { DATABASE_URL: wrong, ...TEST_KEY })
      expect(status).toBe(EXIT_CONFIG)
      expect(stderr).toMatch(/^riskgate: DATABASE_URL: the PostgreSQL at 127\.0\.0\.1:\d+ refuses this user or password\.\n$/)
      expect(stdout + stderr).not.toContain(PASSWORD)
    }
  })

  it('with an unknown database ends the start with status 78 and does not repeat its name', async () => {
    await using database = await createTestDatabase()
    const wrong = changed(database.url, url => {
      url.pathname = `/${PASSWORD}`
    })
    for (const command of ['serve', 'migrate']) {
      const { status, stdout, stderr } = await runCommand([command], { DATABASE_URL: wrong, ...TEST_KEY })
      expect(status).toBe(EXIT_CONFIG)
      expect(stderr).toMatch(
        /^riskgate: DATABASE_URL: the PostgreSQL at 127\.0\.0\.1:\d+ does not have the database that the URL names \(3D000\)\.\n$/,
      )
      expect(stdout + stderr).not.toContain(PASSWORD)
      expect(stdout + stderr).not.toContain(new URL(database.url).password)
    }
  })

  it('without a server ends the start with status 78, after one line in the log', async () => {
    const url = `postgres://user:${PASSWORD}@127.0.0.1:${await freePort()}/riskgate`
    const { status, stdout, stderr } = await runCommand([], { DATABASE_URL: url, ...TEST_KEY })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toMatch(/^riskgate: DATABASE_URL: no PostgreSQL answers at 127\.0\.0\.1:\d+ \(ECONNREFUSED\)\.\n$/)
    expect(stdout.trim().split('\n')).toHaveLength(1)
    expect(stdout).toContain('Postgres does not answer yet')
    expect(stdout + stderr).not.toContain(PASSWORD)
  })

  it('is waited for if its server starts a little later', async () => {
    await using database = await createTestDatabase()
    const port = await freePort()
    const late = changed(database.url, url => {
      url.port = String(port)
    })
    await using gateway = launchGateway({ DATABASE_URL: late, ...TEST_KEY })
    await gateway.logged('Postgres does not answer yet; trying for some seconds')
    await using _server = await startTcpProxy(database.url, { port })
    await gateway.logged('riskgate serves')
    gateway.stop()
    expect(await gateway.exited).toMatchObject({ status: 0, stderr: '' })
  })

  it('with a user that may not create tables ends the start with a message', async () => {
    await using database = await createDatabase()
    const role = `reader_${process.pid}`
    await database.sql.unsafe(`create role ${role} login password '${PASSWORD}'`)
    const poor = changed(database.url, url => {
      url.username = role
      url.password = PASSWORD
    })
    const { status, stdout, stderr } = await runCommand(['migrate'], { DATABASE_URL: poor })
    await database.sql.unsafe(`drop role ${role}`)
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr).toMatch(/^riskgate: DATABASE_URL: its user lacks a right there \(42501\)\. Run `riskgate migrate` as a user /)
    expect(stdout + stderr).not.toContain(PASSWORD)
  })

  it('that changes the time limit of statements ends the start with status 78, and doctor names it', async () => {
    await using database = await createTestDatabase()
    const settings = { DATABASE_URL: `${database.url}?statement_timeout=60000`, ...TEST_KEY }
    expect(await runCommand(['serve'], { ...settings, RISKGATE_PORT: '0' })).toMatchObject({
      status: EXIT_CONFIG,
      stderr: expect.stringMatching(
        /^riskgate: DATABASE_URL: the time limit of statements \(statement_timeout\) does not hold\./,
      ),
    })
    expect(await runCommand(['doctor'], settings)).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(/^PROBLEM +pooler +The time limit of statements/m),
    })
  })

  it('with a list of hosts leads to the one that answers', async () => {
    await using database = await createTestDatabase()
    const { host } = new URL(database.url)
    const several = database.url.replace(host, `127.0.0.1:${await freePort()},${host}`)
    expect(await runCommand(['migrate'], { DATABASE_URL: `${several}?target_session_attrs=read-write` })).toMatchObject({
      status: 0,
      stderr: '',
    })
  })

  it('with parameters that are not followed ends the start with status 78, and names each without its value', async () => {
    const url = `postgres://u:${PASSWORD}@db.example/d?sslmode=${PASSWORD}&passfile=${PASSWORD}&sslmood=require&connect_timeout=1`
    const { status, stdout, stderr } = await runCommand(['serve'], { DATABASE_URL: url, ...TEST_KEY })
    expect(status).toBe(EXIT_CONFIG)
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(/^riskgate: DATABASE_URL has the parameter passfile that riskgate does not follow: /),
      expect.stringMatching(/^riskgate: DATABASE_URL has the parameter sslmood, which riskgate does not know: /),
      expect.stringMatching(/^riskgate: DATABASE_URL has a sslmode that does not exist: it must be one of disable, /),
    ])
    expect(stdout + stderr).not.toContain(PASSWORD)
  })

  it('of a database that may lose committed data makes the gateway not ready', async () => {
    await using database = await createTestDatabase()
    await database.sql.unsafe(`alter database ${new URL(database.url).pathname.slice(1)} set synchronous_commit = off`)
    await using gateway = await startGateway({}, database)
    const response = await fetch(`${gateway.url}/readyz`)
    expect(response.status).toBe(503)
    expect(await response.text()).toContain('synchronous_commit = off')
  })
})
