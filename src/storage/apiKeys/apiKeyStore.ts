import { and, desc, eq, getTableColumns, isNull, lt, sql } from 'drizzle-orm'
import type { ApiKeySource, ApiKeyUse, StoredApiKey } from '../../auth/apiKeySource.js'
import type { ApiKeyShelf, NewApiKey } from '../../auth/issueApiKey.js'
import type { Actor } from '../../auth/principal.js'
import { auditInsert } from '../audit/auditEntries.js'
import type { Database } from '../postgres/database.js'
import { type InMilliseconds, milliseconds, toInstant } from '../postgres/instants.js'
import { apiKeys } from '../tables/apiKeys.js'

/** A key as the API shows it. */
export interface ApiKey extends Omit<NewApiKey, 'digest'> {
  readonly createdAt: Date
  readonly createdBy: string
  /** May be half a minute old. */
  readonly lastUsedAt: Date | null
  readonly revokedAt: Date | null
  readonly revokedBy: string | null
}

export interface ApiKeyQuery {
  readonly size: number
  /** The id of the key before the page. */
  readonly after: string | undefined
  /** Only keys that are neither expired nor revoked. */
  readonly active: boolean
}

const { digest: _digest, tenant: _tenant, ...SHOWN } = getTableColumns(apiKeys)

const COLUMNS = `id, principal, description, roles, ${milliseconds('created_at')} as "createdAt", created_by as "createdBy",
  ${milliseconds('expires_at')} as "expiresAt", ${milliseconds('last_used_at')} as "lastUsedAt",
  ${milliseconds('revoked_at')} as "revokedAt", revoked_by as "revokedBy"`
const ACTIVE = 'revoked_at is null and expires_at > now()'

/** Creates and revokes API keys, each change in one statement with its audit entry, and answers what verifying them asks. */
export class ApiKeyStore implements ApiKeySource, ApiKeyShelf<ApiKey> {
  readonly #database: Database
  readonly #revoked: (id: string) => void

  /** `revoked` is called with the id of each key that was revoked here. */
  constructor(database: Database, revoked: (id: string) => void = () => {}) {
    this.#database = database
    this.#revoked = revoked
  }

  /**
   * Stores a key. Undefined when the tenant has reached the limit of active keys; two calls at the same moment may exceed it by
   * one.
   */
  async create(actor: Actor, { id, expiresAt, ...key }: NewApiKey, limit: number): Promise<ApiKey | undefined> {
    const { principal, description, digest } = key
    const roles = [...key.roles]
    const details = { principal, roles, expiresAt }
    const rows = await this.#database.write(
      ({ sql }) => sql<InMilliseconds<ApiKey>[]>`
        with created as (
          insert into api_keys (id, tenant, principal, description, roles, digest, created_at, created_by, expires_at)
          select ${id}::uuid, ${actor.tenant}, ${principal}, ${description}, ${roles}::text[], ${digest}, now(), ${actor.principal},
            ${expiresAt.toISOString()}::timestamptz
          where (select count(*) from api_keys where tenant = ${actor.tenant} and ${sql.unsafe(ACTIVE)}) < ${limit}
          returning *
        ), audited as (${auditInsert(sql, 'api-key.created', actor, { rows: sql`created`, subject: sql`id`, details: sql`${JSON.stringify(details)}::text::jsonb` })})
        select ${sql.unsafe(COLUMNS)} from created`,
    )
    return rows.map(toApiKey)[0]
  }

  /** Revokes a key for ever; an earlier revocation stays as it is. Undefined when the tenant has no such key. */
  async revoke(actor: Actor, id: string): Promise<ApiKey | undefined> {
    const rows = await this.#database.write(
      ({ sql }) => sql<InMilliseconds<ApiKey>[]>`
        with found as (
          select * from api_keys where tenant = ${actor.tenant} and id = ${id} for no key update
        ), revoked as (
          update api_keys k set revoked_at = now(), revoked_by = ${actor.principal}
          from found where k.tenant = ${actor.tenant} and k.id = found.id and found.revoked_at is null returning k.*
        ), audited as (${auditInsert(sql, 'api-key.revoked', actor, { rows: sql`revoked`, subject: sql`id`, details: sql`jsonb_build_object('principal', revoked.principal)` })})
        select ${sql.unsafe(COLUMNS)} from revoked
        union all select ${sql.unsafe(COLUMNS)} from found where revoked_at is not null`,
    )
    if (rows.length > 0) this.#revoked(id)
    return rows.map(toApiKey)[0]
  }

  /** Newest first; one more than the page size when more follow. */
  page(tenant: string, { size, after, active }: ApiKeyQuery): Promise<ApiKey[]> {
    return this.#database.read(({ db }) =>
      db
        .select(SHOWN)
        .from(apiKeys)
        .where(
          and(
            eq(apiKeys.tenant, tenant),
            after === undefined ? undefined : lt(apiKeys.id, after),
            active ? sql.raw(ACTIVE) : undefined,
          ),
        )
        .orderBy(desc(apiKeys.id))
        .limit(size + 1),
    )
  }

  find(ids: readonly string[]): Promise<StoredApiKey[]> {
    const { id, tenant, principal, roles, digest, expiresAt, revokedAt } = apiKeys
    return this.#database.readAhead(({ db }) =>
      db
        .select({ id, tenant, principal, roles, digest, expiresAt })
        .from(apiKeys)
        .where(and(sql`${id} = any(${sql.param([...ids])}::uuid[])`, isNull(revokedAt))),
    )
  }

  async withdrawn(ids: readonly string[]): Promise<string[]> {
    const rows = await this.#database.readAhead(
      ({ sql }) => sql<{ id: string }[]>`
        select asked.id from unnest(${[...ids]}::uuid[]) asked (id)
        where not exists (select from api_keys where api_keys.id = asked.id and revoked_at is null)`,
    )
    return rows.map(({ id }) => id)
  }

  /** Locks in the order of ids, so that replicas do not deadlock. A use from a clock that is ahead is stored as of now. */
  async noteUses(uses: readonly ApiKeyUse[]): Promise<void> {
    const ids = uses.map(({ id }) => id)
    const times = uses.map(({ at }) => at.toISOString())
    await this.#database.writeBulk(
      ({ sql }) => sql`
        with used as (
          select id, least(at::timestamptz, now()) as at from unnest(${ids}::uuid[], ${times}::text[]) given (id, at)
        ), locked as (
          select id from api_keys where id = any(${ids}::uuid[]) order by id for no key update
        )
        update api_keys k set last_used_at = used.at from used join locked using (id)
        where k.id = used.id and (k.last_used_at is null or k.last_used_at < used.at)`,
    )
  }
}

function toApiKey({ createdAt, expiresAt, lastUsedAt, revokedAt, ...row }: InMilliseconds<ApiKey>): ApiKey {
  return {
    ...row,
    createdAt: new Date(createdAt),
    expiresAt: new Date(expiresAt),
    lastUsedAt: toInstant(lastUsedAt),
    revokedAt: toInstant(revokedAt),
  }
}
