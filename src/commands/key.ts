import type { Command } from 'commander'
import { type ApiKeyRequest, issueApiKey } from '../auth/issueApiKey.js'
import { DEFAULT_TENANT, ROLES } from '../auth/principal.js'
import { loadConfig } from '../config.js'
import { AppError } from '../errors.js'
import { type ApiKey, ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import { asUuid } from '../storage/postgres/uuid.js'
import { collectRole, parseInstant } from './arguments.js'
import { operator, withDatabase } from './database.js'

const PAGE = 100
const COLUMNS = ['id', 'principal', 'roles', 'state', 'expires', 'last used', 'description']

/** API keys for operators: of any tenant, and before there is anybody who could ask the gateway for one. */
export function addKeyCommand(program: Command): void {
  const key = program.command('key').description('create, list and revoke API keys')
  key
    .command('create')
    .description('print a new API key, which is shown this once')
    .requiredOption('--principal <id>', 'stable id of the client; a new key of the same id takes the place of the old one')
    .requiredOption('--role <role...>', `one or more of ${ROLES.join(', ')}`, collectRole)
    .option('--tenant <name>', 'tenant of the client', DEFAULT_TENANT)
    .option('--description <text>', 'what it is for')
    .option('--expires <time>', 'its end, such as 2027-06-30, within two years; a year from now unless set', parseInstant)
    .action(async ({ tenant, role: roles, expires: expiresAt, ...rest }: CreateOptions) => {
      const request = { ...rest, roles, expiresAt }
      const { key } = await inStore(store => issueApiKey(store, { tenant, principal: operator() }, request))
      print(key)
    })
  key
    .command('list')
    .description('print the active API keys of a tenant, newest first')
    .option('--tenant <name>', 'whose keys', DEFAULT_TENANT)
    .option('--all', 'those too that have expired or were revoked', false)
    .action(async ({ tenant, all }: { tenant: string; all: boolean }) => {
      const keys = await inStore(store => allOf(store, tenant, !all))
      for (const row of [COLUMNS, ...keys.map(columnsOf)]) print(row.join('\t'))
    })
  key
    .command('revoke')
    .description('revoke an API key, on every replica within a second')
    .argument('<id>', 'the id of the key, as `riskgate key list` prints it')
    .option('--tenant <name>', 'whose key', DEFAULT_TENANT)
    .action(async (text: string, { tenant }: { tenant: string }) => {
      const id = asUuid(text)
      const revoked = id && (await inStore(store => store.revoke({ tenant, principal: operator() }, id)))
      if (!revoked) throw new Error('The tenant has no API key with this id.')
      process.stderr.write(`riskgate: revoked at ${revoked.revokedAt?.toISOString()}.\n`)
    })
}

interface CreateOptions extends Pick<ApiKeyRequest, 'principal' | 'description'> {
  readonly tenant: string
  readonly role: ApiKeyRequest['roles']
  readonly expires?: Date
}

function inStore<T>(work: (store: ApiKeyStore) => Promise<T>): Promise<T> {
  return withDatabase(loadConfig(), false, database => work(new ApiKeyStore(database))).catch((error: unknown) => {
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
