import { PERMISSIONS, type Permission, type Role } from './principal.js'

/** The permissions of each role: the table at the end of the API contract. */
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
  MODEL_MANAGER: ['summary:read', 'metric:read', 'schema:introspect'],
  ADMIN: PERMISSIONS,
}

export function permissionsOf(roles: readonly Role[]): ReadonlySet<Permission> {
  return new Set(roles.flatMap(role => PERMISSIONS_BY_ROLE[role]))
}
