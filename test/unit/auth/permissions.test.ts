import { describe, expect, it } from 'vitest'
import { permissionsOf, requirePermission } from '../../../src/auth/permissions.js'
import { ROLES, visibilityOf } from '../../../src/auth/principal.js'
import { principalOf } from '../support/gatewaySchema.js'

describe('permissions', () => {
  it('of ADMIN include those of every other role', () => {
    const admin = permissionsOf(['ADMIN'])
    for (const permission of permissionsOf(ROLES.filter(role => role !== 'ADMIN'))) expect(admin).toContain(permission)
  })

  it('of several roles are those of each role together', () => {
    const expected = new Set([...permissionsOf(['SCORER']), ...permissionsOf(['MONITOR'])])
    expect(permissionsOf(['SCORER', 'MONITOR'])).toEqual(expected)
  })

  it('of no role are none', () => {
    expect(permissionsOf([]).size).toBe(0)
  })

  it('let only ANALYST and ADMIN see the predictions of others', () => {
    const seesAll = ROLES.filter(role => visibilityOf(principalOf(role)).requestedBy === undefined)
    expect(seesAll).toEqual(['ANALYST', 'ADMIN'])
    expect(visibilityOf(principalOf('SCORER'))).toEqual({ tenant: 'default', requestedBy: 'test-client' })
    expect(visibilityOf(principalOf('SCORER', 'ANALYST'))).toEqual({ tenant: 'default' })
  })
})

it('a door lets in a principal with its permission, and answers FORBIDDEN with its sentence to any other', () => {
  expect(() => requirePermission(principalOf('ANALYST'), 'prediction:read', 'No.')).not.toThrow()
  expect(() => requirePermission(principalOf('SCORER'), 'prediction:read', 'No.')).toThrow(
    expect.objectContaining({ code: 'FORBIDDEN', message: 'No.' }),
  )
})
