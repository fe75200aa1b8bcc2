export const ROLES = ['SCORER', 'MONITOR', 'ANALYST', 'MODEL_MANAGER', 'ADMIN'] as const
export type Role = (typeof ROLES)[number]

/** What a principal may do: rules ask for these, never for roles. */
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
  'webhook:manage',
  'applicant:erase',
  'api-key:manage',
  'audit:read',
  'schema:introspect',
  'telemetry:read',
] as const
export type Permission = (typeof PERMISSIONS)[number]

const NAME = /^[\x21-\x7e]{1,128}$/

/** Whether a principal or a tenant can be called so: 1 to 128 ASCII characters without spaces. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && NAME.test(value)
}

/** The tenant of a token that names none. */
export const DEFAULT_TENANT = 'default'

/** Who asks. `id` is a stable client id: it stays the same when the client's token or key is renewed. */
export interface Principal {
  readonly id: string
  readonly tenant: string
  readonly roles: readonly Role[]
  readonly permissions: ReadonlySet<Permission>
  readonly expiresAt: Date
  /** What let it in, which may be withdrawn before it expires: the key of its token's signature, or its API key. */
  readonly credential: string
}

/** Who does something, and in which tenant: what a store needs to know of a principal to change something, and to note it. */
export interface Actor {
  readonly tenant: string
  /** A principal's id; of a command, its operator. */
  readonly principal: string
}

export function actorOf({ id, tenant }: Principal): Actor {
  return { tenant, principal: id }
}

/** Which predictions a principal may see: those of its tenant, or only those it asked for itself. */
export interface Visibility {
  readonly tenant: string
  readonly requestedBy?: string
}

export function visibilityOf(principal: Principal): Visibility {
  if (principal.permissions.has('prediction:read')) return { tenant: principal.tenant }
  return { tenant: principal.tenant, requestedBy: principal.id }
}

/**
 * Principals of one view are shown the same by every query. Whose id it is matters to those alone who see what they asked for
 * themselves.
 */
export function viewOf({ id, tenant, permissions }: Principal): string {
  const seesOwn = permissions.has('prediction:read-own') && !permissions.has('prediction:read')
  return JSON.stringify([tenant, [...permissions].sort(), seesOwn ? id : null])
}
