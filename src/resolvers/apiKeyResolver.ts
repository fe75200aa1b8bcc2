import { Arg, Ctx, FieldResolver, Int, Mutation, Query, Resolver, Root } from 'type-graphql'
import { apiKeyHint } from '../auth/apiKeyText.js'
import { issueApiKey, MAX_ACTIVE_KEYS } from '../auth/issueApiKey.js'
import { permissionsOf } from '../auth/permissions.js'
import { actorOf, type Principal, type Role } from '../auth/principal.js'
import { AppError } from '../errors.js'
import {
  ApiKey,
  ApiKeyConnection,
  CreateApiKeyInput,
  CreateApiKeyPayload,
  RevokeApiKeyInput,
  RevokeApiKeyPayload,
} from '../schema/apiKey.js'
import { Cost } from '../schema/cost.js'
import type { ApiKeyStore } from '../storage/apiKeys/apiKeyStore.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { RequestContext } from './context.js'
import { pageInfo, pageRequest, rowsOfPage } from './paging.js'

@Resolver(() => ApiKey)
export class ApiKeyResolver {
  readonly #store: ApiKeyStore
  readonly #now: () => number

  /** `now` gives milliseconds since 1970. */
  constructor(store: ApiKeyStore, now: () => number = Date.now) {
    this.#store = store
    this.#now = now
  }

  @Cost({ rows: rowsOfPage })
  @Query(() => ApiKeyConnection, {
    description: 'The API keys of the tenant, newest first. Page size 1..100, 20 by default.',
  })
  async apiKeys(
    @Ctx() { principal }: RequestContext,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
    @Arg('active', () => Boolean, { nullable: true, description: 'True: only keys that are neither expired nor revoked.' })
    active?: boolean | null,
  ): Promise<ApiKeyConnection> {
    const request = pageRequest({ first, after })
    const { size } = request
    const found = await this.#store.page(principal.tenant, { size, after: keyBefore(after), active: active ?? false })
    const nodes = found.slice(0, size)
    const entries = nodes.map(node => ({ cursor: node.id, node }))
    return { edges: entries, nodes, pageInfo: pageInfo({ entries, hasMore: found.length > size }, request) }
  }

  @Mutation(() => CreateApiKeyPayload, {
    description: `Creates a key for a client of the caller's tenant. At most ${MAX_ACTIVE_KEYS} active keys for each tenant.`,
  })
  async createApiKey(
    @Arg('input', () => CreateApiKeyInput) input: CreateApiKeyInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<CreateApiKeyPayload> {
    refuseMorePermissions(principal, input.roles)
    return issueApiKey(this.#store, actorOf(principal), input, this.#now())
  }

  @Mutation(() => RevokeApiKeyPayload, {
    description:
      'Revokes a key for ever, on every replica within a second: calls with it are refused, and its streams end. Safe to repeat: the first revocation stays and is returned.',
  })
  async revokeApiKey(
    @Arg('input', () => RevokeApiKeyInput) { apiKeyId }: RevokeApiKeyInput,
    @Ctx() { principal }: RequestContext,
  ): Promise<RevokeApiKeyPayload> {
    const id = asUuid(apiKeyId)
    const apiKey = id && (await this.#store.revoke(actorOf(principal), id))
    if (!apiKey) throw new AppError('NOT_FOUND', 'There is no API key with this id. Take the id from apiKeys.')
    return { apiKey }
  }

  @FieldResolver(() => String, { description: 'The beginning of its text: enough to recognise the key in a configuration.' })
  hint(@Root() { id }: ApiKey): string {
    return apiKeyHint(id)
  }
}

/** Nobody may grant permissions that they do not have. */
function refuseMorePermissions({ permissions }: Principal, roles: readonly Role[]): void {
  if ([...permissionsOf(roles)].every(permission => permissions.has(permission))) return
  throw new AppError('FORBIDDEN', 'A key may not have permissions that you do not have. Name other roles.')
}

function keyBefore(after: string | null | undefined): string | undefined {
  if (after == null) return undefined
  const id = asUuid(after)
  if (id === undefined)
    throw new AppError('BAD_CURSOR', 'The cursor does not belong to this list. Take it from a page of API keys.')
  return id
}
