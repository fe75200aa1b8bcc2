import { AppError } from '../errors.js'
import { DEFAULT_TENANT, isName, ROLES, type Role } from './principal.js'
import { unauthenticated } from './unauthenticated.js'

/** Which claims of a token describe its principal. */
export interface ClaimSettings {
  /** A claim's name, or the path to it with dots, such as realm_access.roles. */
  readonly rolesClaim: string
  /** Absent: the claim holds the names of our roles. */
  readonly roleMap?: ReadonlyMap<string, Role> | undefined
  readonly tenantClaim: string
  /** Absent: the claim holds the name of the tenant. */
  readonly tenantMap?: ReadonlyMap<string, string> | undefined
}

export type Claims = Readonly<Record<string, unknown>>

/** Reads a principal from claims. @throws AppError UNAUTHENTICATED when they name no usable subject or tenant */
export function principalOf(claims: Claims, settings: ClaimSettings): { id: string; tenant: string; roles: Role[] } {
  const { sub } = claims
  if (!isName(sub)) throw unauthenticated('The access token names no usable subject; ask for a new one.')
  return { id: sub, tenant: tenantOf(claims, settings), roles: rolesOf(claims, settings) }
}

/** The claims that describe this principal. @throws AppError BAD_USER_INPUT when no claim can express it */
export function claimsFor(
  { subject, tenant, roles }: { subject: string; tenant: string; roles: readonly Role[] },
  { rolesClaim, roleMap, tenantClaim, tenantMap }: ClaimSettings,
): Record<string, unknown> {
  if (!isName(subject) || !isName(tenant)) {
    throw new AppError('BAD_USER_INPUT', 'Subject and tenant take 1 to 128 ASCII characters without spaces.')
  }
  const claimsFrom = <Value>(values: readonly Value[], map: ReadonlyMap<string, Value> | undefined, setting: string) =>
    values.map(value => {
      const claim = map ? [...map].find(([, mapped]) => mapped === value)?.[0] : value
      if (claim === undefined)
        throw new AppError('BAD_USER_INPUT', `${setting} maps no claim value to this role or tenant. Add one.`)
      return claim
    })
  // A token without a tenant belongs to the default tenant, whatever the map holds.
  const tenants = tenant === DEFAULT_TENANT && tenantMap ? [] : claimsFrom([tenant], tenantMap, 'RISKGATE_JWT_TENANT_MAP')
  return {
    [rolesClaim]: claimsFrom(roles, roleMap, 'RISKGATE_JWT_ROLE_MAP'),
    ...(tenants.length > 0 && { [tenantClaim]: tenants[0] }),
  }
}

function rolesOf(claims: Claims, { rolesClaim, roleMap }: ClaimSettings): Role[] {
  const claim = valueAt(claims, rolesClaim)
  // OAuth 2.0 writes scopes as one text, with spaces between them.
  const given: unknown[] = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  const held = roleMap ? given.map(value => roleMap.get(value as string)) : given
  return ROLES.filter(role => held.includes(role))
}

function tenantOf(claims: Claims, { tenantClaim, tenantMap }: ClaimSettings): string {
  const claim = valueAt(claims, tenantClaim)
  if (claim === undefined) return DEFAULT_TENANT
  const tenant = tenantMap ? tenantMap.get(claim as string) : claim
  if (!isName(tenant)) throw unauthenticated('The access token names no usable tenant; ask for a new one.')
  return tenant
}

/** The claim with exactly this name, which may hold dots (https://shop.example/roles); else the one at the end of the path. */
function valueAt(claims: Claims, name: string): unknown {
  return Object.hasOwn(claims, name) ? claims[name] : name.split('.').reduce<unknown>(member, claims)
}

function member(parent: unknown, name: string): unknown {
  if (typeof parent !== 'object' || parent === null || Array.isArray(parent) || !Object.hasOwn(parent, name)) return undefined
  return (parent as Claims)[name]
}
