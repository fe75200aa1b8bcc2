import { vi } from 'vitest'
import { ApiKeys } from '../../src/auth/apiKeys.js'
import type { Role } from '../../src/auth/principal.js'
import { GraphqlClient } from './client.js'
import { CreateApiKeyDocument, type CreateApiKeyMutation, RevokeApiKeyDocument } from './generated/operations.js'
import { until } from './process.js'

export interface TestKey {
  readonly id: string
  readonly text: string
  readonly apiKey: CreateApiKeyMutation['createApiKey']['apiKey']
  /** A client that calls that gateway with this key. */
  at(gateway: { readonly url: string }): GraphqlClient
}

export interface KeyRequest {
  readonly principal?: string
  readonly roles?: readonly Role[]
  readonly expiresAt?: Date
}

/** Creates a key in the administrator's tenant. */
export async function createKey(admin: GraphqlClient, request: KeyRequest = {}): Promise<TestKey> {
  const { principal = 'web-shop', roles = ['SCORER'], expiresAt } = request
  const input = { principal, roles: [...roles], expiresAt: expiresAt?.toISOString() }
  const { createApiKey } = await admin.data(CreateApiKeyDocument, { input })
  const { apiKey, key } = createApiKey
  return { id: apiKey.id, text: key, apiKey, at: ({ url }) => new GraphqlClient(url, key) }
}

export async function revokeKey(admin: GraphqlClient, { id }: { readonly id: string }) {
  return (await admin.data(RevokeApiKeyDocument, { id })).revokeApiKey.apiKey
}

/** Resolves when that many gateways of this process have checked the keys in use: begun after this call, and answered by the database. */
export async function keysChecked(gateways: number): Promise<void> {
  const check = ApiKeys.prototype.check
  const answered = new Set<ApiKeys>()
  const spy = vi.spyOn(ApiKeys.prototype, 'check').mockImplementation(async function (this: ApiKeys, signal) {
    await check.call(this, signal)
    answered.add(this)
  })
  try {
    await until(() => answered.size >= gateways)
  } finally {
    spy.mockRestore()
  }
}
