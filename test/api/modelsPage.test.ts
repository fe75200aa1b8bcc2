import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Role } from '../../src/auth/principal.js'
import type { ModelsPageChangesQuery, ModelsPageQuery } from '../../web/models/generated/operations.js'
import { signToken, startGateway, type TestGateway } from '../support/gateway.js'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

const text = (file: string) => readFileSync(new URL(`../../web/models/${file}`, import.meta.url), 'utf8')
const [MODELS, CHANGES] = [text('models.graphql'), text('changes.graphql')]

const page = async (...roles: Role[]) => {
  const pair = Buffer.from(`anyone:${await signToken({ roles })}`).toString('base64')
  return fetch(`${gateway.url}/models`, { headers: roles.length > 0 ? { authorization: `Basic ${pair}` } : {} })
}

it('is served under the rule and the policy of the playground', async () => {
  const response = await page('MODEL_MANAGER')
  expect(response.status).toBe(200)
  expect(response.headers.get('cache-control')).toBe('no-cache')
  const policy = response.headers.get('content-security-policy') ?? ''
  expect(policy).toContain("default-src 'self'")
  expect(policy).not.toMatch(/https?:|\*|unsafe-eval|script-src[^;]*unsafe-inline/)
  const html = await response.text()
  expect(html).toContain('<title>riskgate models</title>')
  for (const [, address = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
    if (address.startsWith('data:')) continue
    expect(address).toMatch(/^\/assets\//)
    expect((await fetch(gateway.url + address)).status).toBe(200)
  }
  expect((await page('SCORER')).status).toBe(403)
  expect((await page()).status).toBe(401)
})

it.each<Role>(['MODEL_MANAGER', 'ANALYST', 'ADMIN'])('gets what it shows from the API as %s', async role => {
  const client = await gateway.as({ roles: [role] })
  const { data, errors } = await client.send<ModelsPageQuery>({ query: MODELS })
  expect(errors).toBeUndefined()
  expect(data?.viewer.roles).toEqual([role])
  expect(data?.models).toMatchObject([{ name: 'consumer-credit', rollout: { champion: '2' } }])
  expect(data?.models[0]?.versions.find(({ version }) => version === '2')?.report).toMatchObject({ signed: true, problems: [] })
  const changes = await client.send<ModelsPageChangesQuery>({ query: CHANGES, variables: { model: 'consumer-credit' } })
  expect(changes.errors).toBeUndefined()
  expect(changes.data?.releaseChanges.nodes).toMatchObject([{ action: 'PROMOTE', proposedBy: 'folder' }])
})

it('learns who the caller is where the role may see no releases', async () => {
  const client = await gateway.as({ roles: ['SCORER'] })
  const { data, errors } = await client.send<ModelsPageQuery>({ query: MODELS })
  expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
  expect(data?.viewer.roles).toEqual(['SCORER'])
  expect(data?.models[0]?.rollout).toBeNull()
})
