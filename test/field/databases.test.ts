import { execFileSync } from 'node:child_process'
import { chownSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { HIGH_RISK } from '../support/applicants.js'
import { makeAuthority } from '../support/certificateAuthority.js'
import { createDatabase, createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { type GatewayProcess, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument } from '../support/generated/operations.js'
import { endProcess, until } from '../support/process.js'
import { freePort } from '../support/redis.js'
import { CONTROL, refuseFunctions, WAL_POSITION } from '../support/refusedFunctions.js'
import { newStateDirectory, preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { score } from '../support/stored.js'
import { storesOf } from '../support/stores.js'
import { subscribe } from '../support/subscription.js'
import { startTlsPostgres } from '../support/tlsPostgres.js'

// The short forms are managedServers, databaseTls, ownersWork and durability of test/integration.
const POSTGRES_15 = '/usr/lib/postgresql/15/bin'
const folder = testFolder('databases')

/** Scores a high risk, and waits for its alert from the cursor, or from now. */
async function alertOf(gateway: GatewayProcess, after?: string): Promise<string> {
  const [scorer, monitor] = [await gateway.as({ roles: ['SCORER'] }), await gateway.as({ roles: ['MONITOR'] })]
  const from = after ?? (await monitor.data(AlertCursorDocument, {})).alertCursor
  await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: from })
  const { id } = await score(scorer, 'field', HIGH_RISK)
  const { highRiskScored } = await alerts.next()
  expect(highRiskScored.id).toBe(id)
  return highRiskScored.cursor
}

const readiness = async ({ url }: GatewayProcess) => (await fetch(`${url}/readyz`)).status

describe('a server that holds functions back', () => {
  it.skipIf(!existsSync(POSTGRES_15))(
    'is PostgreSQL 15: alerts go on over a restart, and over files from an older backup',
    async () => {
      await using state = newStateDirectory()
      const [files, backup] = [join(state.path, 'postgres'), join(state.path, 'backup')]
      let server = await startEmbeddedPostgres({ stateDirectory: state.path, binDirectory: POSTGRES_15, log: () => {} })
      const made = await createDatabase({ server: server.url })
      await refuseFunctions(made, WAL_POSITION, CONTROL)
      await made.sql.end()
      const urlHere = () => Object.assign(new URL(server.url), { pathname: `/${made.name}` }).href
      const withGateway = async <T>(work: (gateway: GatewayProcess) => Promise<T>): Promise<T> => {
        await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: urlHere() })
        return await work(gateway)
      }
      const restart = async (between: () => void) => {
        await server.stop()
        between()
        server = await startEmbeddedPostgres({ stateDirectory: state.path, binDirectory: POSTGRES_15, log: () => {} })
      }
      const kept = await withGateway(gateway => alertOf(gateway))
      await restart(() => execFileSync('cp', ['-a', files, backup]))
      const lost = await withGateway(gateway => alertOf(gateway, kept))
      await restart(() => execFileSync('sh', ['-c', 'rm -rf "$1" && mv "$2" "$1"', 'sh', files, backup]))
      const cursors = await withGateway(async gateway => [await alertOf(gateway, kept), await alertOf(gateway)])
      await using stores = storesOf(urlHere())
      await expect(stores.alerts.check(lost)).rejects.toMatchObject({ code: 'BAD_CURSOR' })
      for (const cursor of [kept, ...cursors]) await expect(stores.alerts.check(cursor)).resolves.toBeUndefined()
      await server.stop()
    },
  )

  it('from one role: the start names it, and a later refusal shows in readiness', async () => {
    await using database = await createTestDatabase()
    const role = `limited_${database.name}`
    await database.sql.unsafe(`
      create role ${role} login password 'p';
      grant create on schema public to ${role}; grant create on database ${database.name} to ${role};
      grant usage on schema public, drizzle to ${role};
      grant select, insert, update, delete on all tables in schema public, drizzle to ${role};
      do $$ declare refused regprocedure; begin
        for refused in select oid from pg_proc where pronamespace = 'pg_catalog'::regnamespace and proname in (
          'pg_control_system', 'pg_current_wal_lsn', 'pg_walfile_name', 'pg_logical_emit_message', 'pg_blocking_pids')
        loop execute format('revoke execute on function %s from public', refused); end loop;
      end $$`)
    const url = new URL(database.url)
    ;[url.username, url.password] = [role, 'p']
    const settings = { ...TEST_KEY, DATABASE_URL: url.href }
    try {
      await using gateway = await spawnGateway(settings)
      await alertOf(gateway)
      await database.sql`revoke execute on function pg_catalog.pg_postmaster_start_time() from public`
      const refusedAt = performance.now()
      while ((await readiness(gateway)) === 200) expect(performance.now() - refusedAt).toBeLessThan(10_000)
      expect(await runCommand(['serve'], { ...settings, RISKGATE_PORT: '0' })).toMatchObject({
        status: 78,
        stderr: expect.stringContaining('refuses pg_postmaster_start_time() (42501)'),
      })
    } finally {
      await database.sql.unsafe(`drop owned by ${role}; drop role ${role}`)
    }
  })
})

describe('a gateway over TLS', () => {
  it('serves by sslrootcert, by NODE_EXTRA_CA_CERTS with sslrootcert=system, and not without', async () => {
    await using server = await startTlsPostgres()
    const authority = await makeAuthority('field')
    const file = join(folder, 'authority.pem')
    writeFileSync(file, authority.cert)
    await server.certify(await authority.issue(['127.0.0.1', 'localhost']))
    await server.admit('hostssl all all 127.0.0.1/32 scram-sha-256')
    const own = { ...TEST_KEY, DATABASE_URL: server.url(`sslmode=verify-full&sslrootcert=${encodeURIComponent(file)}`) }
    await using gateway = await spawnGateway(own)
    await alertOf(gateway)
    const system = { ...TEST_KEY, DATABASE_URL: server.url('sslrootcert=system') }
    await using other = await spawnGateway({ ...system, NODE_EXTRA_CA_CERTS: file })
    expect(await readiness(other)).toBe(200)
    expect(await runCommand(['serve'], { ...system, RISKGATE_PORT: '0' })).toMatchObject({
      status: 78,
      stderr: expect.stringContaining('has a certificate of an authority that is not trusted'),
    })
    const plain = { ...TEST_KEY, DATABASE_URL: server.url('sslmode=disable'), RISKGATE_PORT: '0' }
    const { status, stderr } = await runCommand(['serve'], plain)
    expect({ status, stderr }).toMatchObject({
      status: 78,
      stderr: expect.stringContaining('look at its pg_hba.conf, and at sslmode'),
    })
    expect(stderr).not.toContain(server.password)
    expect((await runCommand(['doctor'], own)).stdout).toMatch(/^ok +database connection +TLS, and the server is verified/m)
    const unverified = { ...TEST_KEY, DATABASE_URL: server.url('sslmode=require&channel_binding=require') }
    expect((await runCommand(['doctor'], unverified)).stdout).toMatch(
      /^WARNING +database connection +sslmode=require: .*anybody could be the server\. Use verify-full.*without an effect: channel_binding/m,
    )
  })
})

describe('a list of hosts', () => {
  it('passes over a host that does not answer and a standby, and follows the primary when that moves', async () => {
    await using first = preparedStateDirectory()
    await using second = newStateDirectory()
    const start = (state: StateDirectory) => startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
    const seed = await start(first)
    await migrateDatabase(seed.url)
    await seed.stop()
    execFileSync('cp', ['-a', `${first.path}/.`, second.path])
    const data = join(second.path, 'postgres')
    const { uid, gid } = statSync(data)
    writeFileSync(join(data, 'standby.signal'), '')
    chownSync(join(data, 'standby.signal'), uid, gid)
    const [primary, standby] = [await start(first), await start(second)]
    const { username, password, pathname } = new URL(primary.url)
    const ports = [await freePort(), ...[standby, primary].map(({ url }) => new URL(url).port)]
    const hosts = ports.map(port => `127.0.0.1:${port}`).join()
    const url = `postgres://${username}:${password}@${hosts}${pathname}`
    await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: url })
    await alertOf(gateway)
    // It leaves a server that others use.
    await primary.stop()
    await endProcess(first.postmaster(), 'SIGQUIT')
    const sql = postgres(standby.url, { max: 1, fetch_types: false, onnotice: () => {} })
    expect(await sql`select pg_is_in_recovery() as standby`).toEqual([{ standby: true }])
    await until(async () => (await readiness(gateway)) === 503)
    await sql`select pg_promote()`
    await until(async () => (await readiness(gateway)) === 200, 60_000)
    await alertOf(gateway)
    expect(await sql`select count(*)::int as stored from predictions`).toEqual([{ stored: 1 }])
    await sql.end()
    await standby.stop()
  })

  it('without a primary ends the start with a sentence', async () => {
    const url = `postgres://u:hunter2@127.0.0.1:${await freePort()},127.0.0.1:${await freePort()}/d`
    const { status, stdout, stderr } = await runCommand(['migrate'], { DATABASE_URL: url })
    expect(status).toBe(78)
    expect(stderr).toMatch(/no PostgreSQL that takes writes answers at 127\.0\.0\.1:\d+,127\.0\.0\.1:\d+ \(ECONNREFUSED\)\.\n$/)
    expect(stdout + stderr).not.toContain('hunter2')
  })
})

describe('a Unix socket', () => {
  it('leads to PostgreSQL by the parameter host, and by an encoded host', async () => {
    await using database = await createTestDatabase()
    const { port, username, password } = new URL(database.url)
    const sockets = join(folder, 'sockets')
    mkdirSync(sockets)
    const proxy = createServer(client => {
      const server = connect(Number(port), '127.0.0.1')
      client.pipe(server).pipe(client)
      for (const socket of [client, server]) socket.on('error', () => socket.destroy())
    })
    await new Promise<void>(resolve => proxy.listen(join(sockets, '.s.PGSQL.5432'), resolve))
    for (const url of [
      `postgres://${username}:${password}@/${database.name}?host=${sockets}`,
      `postgres://${username}:${password}@${encodeURIComponent(sockets)}/${database.name}`,
    ]) {
      expect(await runCommand(['migrate'], { DATABASE_URL: url })).toMatchObject({ status: 0, stderr: '' })
    }
    proxy.close()
  })
})
