import { AppError } from '../errors.js'
import { PERMISSIONS, type Permission, type Principal, type Role } from './principal.js'

/** The permissions of each role: the table at the end of the API contract, and TELEMETRY for programs that only watch the gateway. */
const PERMISSIONS_BY_ROLE: Readonly<Record<Role, readonly Permission[]>> = {
  SCORER: ['prediction:create', 'prediction:read-own', 'outcome:record'],
  MONITOR: ['alert:read', 'alert:acknowledge', 'telemetry:read'],
  ANALYST: [
    'prediction:read',
    'feature:read',
    'outcome:record',
    'summary:read',
    'alert:read',
    'metric:read',
    'schema:introspect',
  ],
  MODEL_MANAGER: ['summary:read', 'metric:read', 'release:manage', 'schema:introspect'],
  ADMIN: PERMISSIONS,
  TELEMETRY: ['telemetry:read'],
}

export function permissionsOf(roles: readonly Role[]): ReadonlySet<Permission> {
  return new Set(roles.flatMap(role => PERMISSIONS_BY_ROLE[role]))
}

/**
 * The check of a door that the policy of the schema does not guard: an address, a job. A job carries the principal that asked for it.
 * @throws AppError FORBIDDEN
 */
export function requirePermission(
  { permissions }: Pick<Principal, 'permissions'>,
  permission: Permission,
  message: string,
): void {
  if (!permissions.has(permission)) throw new AppError('FORBIDDEN', message)
}
