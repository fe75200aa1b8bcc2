import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createKey, revokeKey } from '../support/apiKeys.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { ApiKeysDocument, CreateApiKeyDocument, ViewerDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'

const DAY_MS = 86_400_000
const NEVER = '01900000-0000-7000-8000-000000000000'

let gateway: TestGateway
let tenants = 0
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

async function newTenant(): Promise<{ tenant: string; admin: GraphqlClient }> {
  const tenant = `tenant-${++tenants}`
  return { tenant, admin: await gateway.as({ roles: ['ADMIN'], subject: 'operator', tenant }) }
}

async function keysOf(admin: GraphqlClient, variables: { first?: number; after?: string; active?: boolean } = {}) {
  return (await admin.data(ApiKeysDocument, variables)).apiKeys
}

describe('createApiKey', () => {
  it('returns a key that acts as its principal, in the tenant of its creator', async () => {
    const { tenant, admin } = await newTenant()
    const before = Date.now()
    const { text, apiKey, id, at } = await createKey(admin, { principal: 'web-shop', roles: ['SCORER', 'MONITOR', 'SCORER'] })
    expect(apiKey).toEqual({
      id,
      hint: `riskgate_${id.replaceAll('-', '')}`,
      principal: 'web-shop',
      description: null,
      roles: ['SCORER', 'MONITOR'],
      createdAt: expect.any(String),
      createdBy: 'operator',
      expiresAt: expect.any(String),
      lastUsedAt: null,
      revokedAt: null,
      revokedBy: null,
    })
    expect(text.startsWith(`${apiKey.hint}_`)).toBe(true)
    expect((Date.parse(apiKey.expiresAt) - before) / DAY_MS).toBeCloseTo(365, 2)
    const { viewer } = await at(gateway).data(ViewerDocument, {})
    expect(viewer).toMatchObject({ id: 'web-shop', tenant, roles: ['SCORER', 'MONITOR'] })
  })

  it('accepts a description, and an expiry within two years', async () => {
    const { admin } = await newTenant()
    const expiresAt = new Date(Date.now() + 729 * DAY_MS).toISOString()
    const input = { principal: 'desk', roles: ['ANALYST' as const], description: 'Risk desk, ñ é', expiresAt }
    const { createApiKey } = await admin.data(CreateApiKeyDocument, { input })
    expect(createApiKey.apiKey).toMatchObject({ description: 'Risk desk, ñ é', expiresAt })
  })

  it.each([
    ['a principal with a space', { principal: 'canary shop' }, ['principal']],
    ['a principal of 129 characters', { principal: 'c'.repeat(129) }, ['principal']],
    ['no role', { roles: [] }, ['roles']],
    ['a description of 201 characters', { description: 'canary'.padEnd(201) }, ['description']],
    ['a description that moves the cursor of a terminal', { description: 'canary\u001b[2J' }, ['description']],
    ['a description that reverses the direction of text', { description: 'canary\u202e' }, ['description']],
    ['a description with a NUL', { description: 'canary\u0000' }, ['description']],
    ['an empty description', { description: '' }, ['description']],
    ['an expiry in the past', { expiresAt: '2024-01-01T00:00:00Z' }, ['expiresAt']],
    ['an expiry after two years', { expiresAt: new Date(Date.now() + 731 * DAY_MS).toISOString() }, ['expiresAt']],
  ])('refuses %s', async (_what, wrong, path) => {
    const { admin } = await newTenant()
    const input = { principal: 'shop', roles: ['SCORER' as const], ...wrong }
    const { status, errors } = await admin.request(CreateApiKeyDocument, { input })
    expect({ status, extensions: errors?.[0]?.extensions }).toMatchObject({
      status: 400,
      extensions: { code: 'BAD_USER_INPUT', problems: [{ code: 'BAD_USER_INPUT', path }] },
    })
    expect(JSON.stringify(errors)).not.toContain('canary')
    expect((await keysOf(admin)).nodes).toEqual([])
  })

  it('names every problem at once', async () => {
    const { admin } = await newTenant()
    const input = { principal: '', roles: [], description: '\n', expiresAt: '2024-01-01T00:00:00Z' }
    const { errors } = await admin.request(CreateApiKeyDocument, { input })
    const paths = errors?.[0]?.extensions.problems?.map(({ path }) => path.join('.'))
    expect(paths).toEqual(['principal', 'description', 'roles', 'expiresAt'])
  })

  it('allows a thousand active keys for each tenant, not counting revoked and expired ones', async () => {
    const { tenant, admin } = await newTenant()
    await gateway.database.sql`
      insert into api_keys (id, tenant, principal, roles, digest, created_at, created_by, expires_at, revoked_at)
      select gen_random_uuid(), ${tenant}, 'shop', '{SCORER}', 'x', now(), 'test',
        now() + make_interval(days => case when i <= 1001 then 1 else -1 end), case when i <= 2 then now() end
      from generate_series(1, 1100) i`
    const last = await createKey(admin)
    const input = { principal: 'shop', roles: ['SCORER' as const] }
    const { errors } = await admin.request(CreateApiKeyDocument, { input })
    expect(errors?.[0]?.extensions.code).toBe('BAD_USER_INPUT')
    await revokeKey(admin, last)
    await createKey(admin)
  })
})

describe('apiKeys', () => {
  it('lists the keys of the tenant in pages, newest first', async () => {
    const { admin } = await newTenant()
    const ids: string[] = []
    for (let i = 0; i < 5; i++) ids.unshift((await createKey(admin)).id)
    const first = await keysOf(admin, { first: 2 })
    expect(first.nodes.map(({ id }) => id)).toEqual(ids.slice(0, 2))
    expect(first.pageInfo).toMatchObject({ hasNextPage: true, hasPreviousPage: false })
    const second = await keysOf(admin, { first: 2, after: present(first.pageInfo.endCursor) })
    expect(second.nodes.map(({ id }) => id)).toEqual(ids.slice(2, 4))
    expect(second.edges.map(({ cursor }) => cursor)).toEqual([second.pageInfo.startCursor, second.pageInfo.endCursor])
    const third = await keysOf(admin, { first: 2, after: present(second.pageInfo.endCursor) })
    expect(third.nodes.map(({ id }) => id)).toEqual(ids.slice(4))
    expect(third.pageInfo).toMatchObject({ hasNextPage: false, hasPreviousPage: true })
  })

  it('lists only the active keys if asked to', async () => {
    const { tenant, admin } = await newTenant()
    const [revoked, expired, active] = [await createKey(admin), await createKey(admin), await createKey(admin)]
    await revokeKey(admin, revoked)
    await gateway.database.sql`update api_keys set expires_at = now() where tenant = ${tenant} and id = ${expired.id}`
    expect((await keysOf(admin, { active: true })).nodes.map(({ id }) => id)).toEqual([active.id])
    for (const all of [{}, { active: false }]) {
      expect((await keysOf(admin, all)).nodes.map(({ id }) => id)).toEqual([active.id, expired.id, revoked.id])
    }
  })

  it('refuses pages of 0 or 101, and foreign cursors', async () => {
    const { admin } = await newTenant()
    const codeOf = async (variables: object) => (await admin.request(ApiKeysDocument, variables)).errors?.[0]?.extensions.code
    expect(await codeOf({ first: 0 })).toBe('BAD_USER_INPUT')
    expect(await codeOf({ first: 101 })).toBe('BAD_USER_INPUT')
    expect(await codeOf({ after: 'canary' })).toBe('BAD_CURSOR')
    expect(await codeOf({ first: 100, after: NEVER })).toBeUndefined()
  })
})

describe('revokeApiKey', () => {
  it('ends the key at once, and gives the same answer if another administrator repeats it', async () => {
    const { tenant, admin } = await newTenant()
    const key = await createKey(admin)
    expect((await key.at(gateway).request(ViewerDocument, {})).status).toBe(200)
    const revoked = await revokeKey(admin, key)
    expect(revoked).toMatchObject({ id: key.id, revokedBy: 'operator', revokedAt: expect.any(String) })
    const { status, errors, headers } = await key.at(gateway).request(ViewerDocument, {})
    expect({ status, code: errors?.[0]?.extensions.code }).toEqual({ status: 401, code: 'UNAUTHENTICATED' })
    expect(headers.get('www-authenticate')).toBe('Bearer')
    const other = await gateway.as({ roles: ['ADMIN'], subject: 'another-operator', tenant })
    expect(await revokeKey(other, key)).toEqual(revoked)
  })

  it('revokes a key once if two calls come at once', async () => {
    const { tenant, admin } = await newTenant()
    const key = await createKey(admin)
    const { sql } = gateway.database
    let answers: ReturnType<typeof revokeKey>[] = []
    await sql.begin(async lock => {
      await lock`select from api_keys where id = ${key.id} for update`
      answers = [revokeKey(admin, key), revokeKey(admin, key)]
      await until(async () => {
        const waiting = await sql`select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
        return waiting.length === 2
      })
      // So that the two calls have different times.
      await sleep(20)
    })
    const revoked = await Promise.all(answers)
    expect(revoked[0]?.revokedAt).not.toBeNull()
    expect(revoked[1]).toEqual(revoked[0])
    expect(await revokeKey(admin, key)).toEqual(revoked[0])
    const entries = await gateway.database.sql`
      select id from audit_entries where tenant = ${tenant} and action = 'api-key.revoked'`
    expect(entries).toHaveLength(1)
  })
})

describe('the audit', () => {
  it('shows who created and who revoked a key, and no part of its text', async () => {
    const { tenant, admin } = await newTenant()
    const key = await createKey(admin, { principal: 'shop', roles: ['MONITOR'] })
    await revokeKey(admin, key)
    await revokeKey(admin, key)
    const entries = await gateway.database.sql`
      select action, principal, subject, details from audit_entries where tenant = ${tenant} order by id`
    expect([...entries]).toEqual([
      {
        action: 'api-key.created',
        principal: 'operator',
        subject: key.id,
        details: { principal: 'shop', roles: ['MONITOR'], expiresAt: key.apiKey.expiresAt },
      },
      { action: 'api-key.revoked', principal: 'operator', subject: key.id, details: { principal: 'shop' } },
    ])
  })
})

describe('roles', () => {
  it('of a key give it all their permissions: a key with ADMIN can create keys', async () => {
    const { admin } = await newTenant()
    const first = await createKey(admin, { principal: 'automation', roles: ['ADMIN'] })
    const second = await createKey(first.at(gateway), { principal: 'shop' })
    expect(second.apiKey.createdBy).toBe('automation')
    const { errors } = await second.at(gateway).request(ApiKeysDocument, {})
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  })
})
