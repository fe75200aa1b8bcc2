export const ROLES = ['SCORER', 'MONITOR', 'ANALYST', 'MODEL_MANAGER', 'ADMIN', 'TELEMETRY'] as const
export type Role = (typeof ROLES)[number]

/** All permissions. Rules ask for these, never for roles. */
export const PERMISSIONS = [
  'prediction:create',
  'prediction:read',
  'prediction:read-own',
  'feature:read',
  'outcome:record',
  'summary:read',
  'alert:read',
  'alert:acknowledge',
  'metric:read',
  'release:manage',
  'webhook:manage',
  'applicant:erase',
  'api-key:manage',
  'audit:read',
  'schema:introspect',
  'telemetry:read',
] as const
export type Permission = (typeof PERMISSIONS)[number]

const NAME = /^[\x21-\x7e]{1,128}$/

/** Whether this can be the name of a principal or a tenant: 1 to 128 ASCII characters without spaces. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

/** The tenant of a token that names none. */
export const DEFAULT_TENANT = 'default'

/** Who calls. `id` is a stable client id: it stays the same when the client's token or key is renewed. */
export interface Principal {
  readonly id: string
  readonly tenant: string
  readonly roles: readonly Role[]
  readonly permissions: ReadonlySet<Permission>
  readonly expiresAt: Date
  /** The key that signed its token, or its API key. Either may be withdrawn before `expiresAt`. */
  readonly credential: string
}

/** Who does something, and in which tenant: all that a store needs to make a change and to audit it. */
export interface Actor {
  readonly tenant: string
  /** A principal's id; for a command, its operator. */
  readonly principal: string
}

export function actorOf({ id, tenant }: Principal): Actor {
  return { tenant, principal: id }
}

/** Which predictions a principal may see: all of its tenant, or only those that it requested itself. */
export interface Visibility {
  readonly tenant: string
  readonly requestedBy?: string
}

export function visibilityOf(principal: Principal): Visibility {
  if (principal.permissions.has('prediction:read')) return { tenant: principal.tenant }
  return { tenant: principal.tenant, requestedBy: principal.id }
}

/**
 * Every query shows the same data to all principals of one view. The id is part of a view only for principals that see just their
 * own predictions.
 */
export function viewOf({ id, tenant, permissions }: Principal): string {
  const seesOwn = permissions.has('prediction:read-own') && !permissions.has('prediction:read')
  return JSON.stringify([tenant, [...permissions].sort(), seesOwn ? id : null])
}
