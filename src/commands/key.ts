import { type ApiKeyRequest, issueApiKey } from '../auth/issueApiKey.js'
import { loadConfig } from '../config/config.js'
import { AppError } from '../errors.js'
import { type ApiKey, ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import { asUuid } from '../storage/postgres/uuid.js'
import { operator, withDatabaseUntilSignal } from './commandDatabase.js'

const PAGE = 100
const COLUMNS = ['id', 'principal', 'roles', 'state', 'expires', 'last used', 'description']

// API keys for operators: for any tenant, and before anybody can ask the gateway for one.

/** Creates a key and prints it. It is shown only this once. */
export async function createKey({ tenant, role: roles, expires: expiresAt, ...rest }: CreateOptions): Promise<void> {
  const request = { ...rest, roles, expiresAt }
  const { key } = await inStore(store => issueApiKey(store, { tenant, principal: operator() }, request))
  print(key)
}

/** Prints the keys of a tenant, newest first. */
export async function listKeys({ tenant, all }: { tenant: string; all: boolean }): Promise<void> {
  const keys = await inStore(store => allOf(store, tenant, !all))
  for (const row of [COLUMNS, ...keys.map(columnsOf)]) print(row.join('\t'))
}

/** Revokes a key. @throws Error where the tenant has none with this id */
export async function revokeKey(text: string, { tenant }: { tenant: string }): Promise<void> {
  const id = asUuid(text)
  const revoked = id && (await inStore(store => store.revoke({ tenant, principal: operator() }, id)))
  if (!revoked) throw new Error('The tenant has no API key with this id. `riskgate key list` shows them.')
  process.stderr.write(`riskgate: revoked at ${revoked.revokedAt?.toISOString()}.\n`)
}

interface CreateOptions extends Pick<ApiKeyRequest, 'principal' | 'description'> {
  readonly tenant: string
  readonly role: ApiKeyRequest['roles']
  readonly expires?: Date
}

function inStore<T>(work: (store: ApiKeyStore) => Promise<T>): Promise<T> {
  return withDatabaseUntilSignal(loadConfig(), database => work(new ApiKeyStore(database))).catch((error: unknown) => {
    const problems = error instanceof AppError ? error.problems : []
    throw problems.length > 1 ? new Error(problems.map(({ message }) => message).join(' ')) : error
  })
}

async function allOf(store: ApiKeyStore, tenant: string, active: boolean): Promise<ApiKey[]> {
  const keys: ApiKey[] = []
  for (;;) {
    const page = await store.page(tenant, { size: PAGE, after: keys.at(-1)?.id, active })
    keys.push(...page.slice(0, PAGE))
    if (page.length <= PAGE) return keys
  }
}

function columnsOf({ id, principal, roles, description, ...key }: ApiKey): string[] {
  const state = key.revokedAt ? 'revoked' : key.expiresAt.getTime() <= Date.now() ? 'expired' : 'active'
  const lastUsed = key.lastUsedAt?.toISOString() ?? 'never'
  return [id, principal, roles.join(), state, key.expiresAt.toISOString(), lastUsed, description ?? '']
}

function print(text: string): void {
  process.stdout.write(`${text}\n`)
}
