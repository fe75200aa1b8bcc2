import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keysChecked } from '../support/apiKeys.js'
import { GraphqlClient } from '../support/client.js'
import { createDatabase, createTestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, spawnGateway } from '../support/gatewayProcess.js'
import { ViewerDocument } from '../support/generated/operations.js'
import { preparedStateDirectory } from '../support/stateDirectory.js'

const DAY_MS = 86_400_000
const directory = testFolder('key')

describe('riskgate key', () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway()
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const run = (...arguments_: string[]) => runCommand(['key', ...arguments_], { DATABASE_URL: gateway.database.url })
  const viewerOf = (key: string) => new GraphqlClient(gateway.url, key).request(ViewerDocument, {})
  const rowsOf = async (...arguments_: string[]) => {
    const [header, ...rows] = (await run('list', ...arguments_)).stdout.trimEnd().split('\n')
    return { header, rows: rows.map(row => row.split('\t')) }
  }

  it('create prints only the key, and a call with it acts as its principal', async () => {
    const options = ['--tenant', 'bank', '--principal', 'web-shop', '--role', 'SCORER', '--role', 'MONITOR']
    const { status, stdout, stderr } = await run('create', ...options, '--description', 'The shop', '--expires', nextMonth())
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toMatch(/^riskgate_\w{32}_[\w-]{51}\n$/)
    const { data } = await viewerOf(stdout.trim())
    expect(data?.viewer).toMatchObject({ id: 'web-shop', tenant: 'bank', roles: ['SCORER', 'MONITOR'] })
    const [row] = (await rowsOf('--tenant', 'bank')).rows
    const [id, ...columns] = row ?? []
    expect(columns).toEqual(['web-shop', 'SCORER,MONITOR', 'active', `${nextMonth()}T00:00:00.000Z`, 'never', 'The shop'])
    const entries = await gateway.database.sql`select principal, action, subject from audit_entries where tenant = 'bank'`
    expect([...entries]).toEqual([{ principal: expect.stringMatching(/^cli:/), action: 'api-key.created', subject: id }])
  })

  it('revoke ends a key at the next check, and prints the same when repeated', async () => {
    const options = ['--tenant', 'revoked', '--principal', 'shop', '--role', 'SCORER']
    const key = (await run('create', ...options)).stdout.trim()
    expect((await viewerOf(key)).status).toBe(200)
    const [id = ''] = (await rowsOf('--tenant', 'revoked')).rows[0] ?? []
    const first = await run('revoke', id, '--tenant', 'revoked')
    expect(first).toMatchObject({ status: 0, stdout: '', stderr: expect.stringMatching(/^riskgate: revoked at 2.*Z\.\n$/) })
    await keysChecked(1)
    expect((await viewerOf(key)).status).toBe(401)
    expect(await run('revoke', id.toUpperCase(), '--tenant', 'revoked')).toEqual(first)
    expect((await rowsOf('--tenant', 'revoked')).rows).toEqual([])
    const { rows } = await rowsOf('--tenant', 'revoked', '--all')
    expect(rows.map(row => row.slice(0, 4))).toEqual([[id, 'shop', 'SCORER', 'revoked']])
  })

  it('list prints all of many keys, newest first, of one tenant', async () => {
    await gateway.database.sql`
      insert into api_keys (id, tenant, principal, roles, digest, created_at, created_by, expires_at)
      select ('01900000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'many', 'shop-' || i, '{SCORER}', 'x', now(), 'test',
        now() + '1 day'
      from generate_series(1, 250) i`
    const { header, rows } = await rowsOf('--tenant', 'many')
    expect(header).toBe('id\tprincipal\troles\tstate\texpires\tlast used\tdescription')
    expect(rows.map(([, principal]) => principal)).toEqual(Array.from({ length: 250 }, (_, i) => `shop-${250 - i}`))
  })

  it.each([
    [['create', '--role', 'SCORER'], '--principal'],
    [['create', '--principal', 'shop'], '--role'],
    [['create', '--principal', 'shop', '--role', 'ROOT'], '--role'],
    [['create', '--principal', 'shop', '--role', 'SCORER', '--expires', 'soon'], '--expires'],
    [['create', '--principal', 'shop', '--role', 'SCORER', '--expires', '2024-01-01'], 'in the future'],
    [['create', '--principal', 'the shop', '--role', 'SCORER', '--tenant', ''], 'A tenant takes .* A principal takes'],
    [['revoke', 'no-id'], 'no API key'],
    [['revoke', '01900000-0000-7000-8000-000000000000'], 'no API key'],
  ])('explains what is wrong with %j', async (arguments_, problem) => {
    const { status, stdout, stderr } = await run(...arguments_)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toMatch(new RegExp(problem))
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it('does not find the key of another tenant', async () => {
    const key = (await run('create', '--tenant', 'owner', '--principal', 'shop', '--role', 'SCORER')).stdout.trim()
    const [id = ''] = (await rowsOf('--tenant', 'owner')).rows[0] ?? []
    expect((await run('revoke', id)).status).toBe(1)
    expect((await viewerOf(key)).status).toBe(200)
  })

  it('ends with status 78 without a database, and says what to do about one without tables', async () => {
    const nowhere = await runCommand(['key', 'list'], { RISKGATE_STATE_DIR: join(directory, 'no-state') })
    expect(nowhere).toMatchObject({ status: 78, stderr: expect.stringContaining('DATABASE_URL') })
    await using empty = await createDatabase()
    const { status, stderr } = await runCommand(['key', 'list'], { DATABASE_URL: empty.url })
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^riskgate: .*riskgate migrate.*\n$/) })
  })

  it('creates the first ADMIN key in production, before anyone has a token', async () => {
    await using database = await createTestDatabase()
    const settings = {
      NODE_ENV: 'production',
      DATABASE_URL: database.url,
      RISKGATE_JWKS_URL: 'https://issuer.example/keys',
      RISKGATE_JWT_ISSUER: 'https://issuer.example',
    }
    expect(await runCommand(['migrate'], settings)).toMatchObject({ status: 0 })
    const { stdout } = await runCommand(['key', 'create', '--principal', 'operator', '--role', 'ADMIN'], settings)
    const entries = await database.sql`select action from audit_entries`
    expect([...entries]).toEqual([{ action: 'api-key.created' }])
    expect(stdout).toMatch(/^riskgate_/)
  })
})

it('riskgate key works on the embedded database of a running gateway', async () => {
  await using state = preparedStateDirectory()
  const settings = { RISKGATE_STATE_DIR: state.path }
  await using gateway = await spawnGateway(settings)
  const { stdout } = await runCommand(['key', 'create', '--principal', 'operator', '--role', 'ADMIN'], settings)
  const { data } = await new GraphqlClient(gateway.url, stdout.trim()).request(ViewerDocument, {})
  expect(data?.viewer).toMatchObject({ id: 'operator', tenant: 'default', roles: ['ADMIN'] })
  await gateway.stop()
  expect((await runCommand(['key', 'list'], settings)).stdout).toContain('operator')
  expect(existsSync(join(state.path, 'postgres', 'postmaster.pid'))).toBe(false)
}, 60_000)

function nextMonth(): string {
  return new Date(Date.now() + 30 * DAY_MS).toISOString().slice(0, 10)
}
