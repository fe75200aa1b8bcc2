import { expect, it } from 'vitest'
import type { Permission } from '../../../src/auth/principal.js'
import { ApiKeyResolver } from '../../../src/resolvers/apiKeyResolver.js'
import type { RequestContext } from '../../../src/resolvers/context.js'
import type { ApiKeyStore } from '../../../src/storage/apiKeys/apiKeyStore.js'
import { principalOf } from '../support/gatewaySchema.js'

it('creates no key with permissions that its creator does not have', async () => {
  const created: unknown[] = []
  const create = async (_owner: unknown, key: object) => {
    created.push(key)
    return key
  }
  const resolver = new ApiKeyResolver({ create } as unknown as ApiKeyStore)
  const permissions: Permission[] = ['api-key:manage', 'prediction:create', 'prediction:read-own', 'outcome:record']
  const context = { principal: { ...principalOf(), permissions: new Set(permissions) } } as unknown as RequestContext
  for (const roles of [['ADMIN'], ['SCORER', 'MONITOR'], ['ANALYST']] as const) {
    const input = { principal: 'shop', roles: [...roles] }
    await expect(resolver.createApiKey(input, context)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  }
  expect(created).toEqual([])
  await resolver.createApiKey({ principal: 'shop', roles: ['SCORER'] }, context)
  expect(created).toMatchObject([{ principal: 'shop', roles: ['SCORER'] }])
})
