import { describe, expect, it } from 'vitest'
import { type ClaimSettings, claimsFor, principalOf } from '../../../src/auth/claims.js'
import { KeySet } from '../../../src/auth/keySet.js'
import type { Role } from '../../../src/auth/principal.js'
import { Tokens } from '../../../src/auth/tokens.js'
import { type IssuerKey, makeKey, nowSeconds, startIssuer, tokenOf } from '../../support/issuer.js'

const PLAIN: ClaimSettings = { rolesClaim: 'roles', tenantClaim: 'tenant' }
const roles = (...pairs: [string, Role][]) => new Map(pairs)

const rolesOf = (claims: object, settings: Partial<ClaimSettings> = {}) =>
  principalOf({ sub: 'one', ...claims }, { ...PLAIN, ...settings }).roles
const tenantOf = (claims: object, settings: Partial<ClaimSettings> = {}) =>
  principalOf({ sub: 'one', ...claims }, { ...PLAIN, ...settings }).tenant

describe('the roles of a token', () => {
  it('are found at the end of a path, or in a claim with exactly that name, which goes first', () => {
    const rolesClaim = 'access.roles'
    expect(rolesOf({ access: { roles: ['SCORER'] } }, { rolesClaim })).toEqual(['SCORER'])
    expect(rolesOf({ 'access.roles': ['MONITOR'], access: { roles: ['ADMIN'] } }, { rolesClaim })).toEqual(['MONITOR'])
    expect(rolesOf({ 'access.roles': null, access: { roles: ['ADMIN'] } }, { rolesClaim })).toEqual([])
    expect(rolesOf({ 'https://bank.example/roles': ['ANALYST'] }, { rolesClaim: 'https://bank.example/roles' })).toEqual([
      'ANALYST',
    ])
  })

  it.each<[string, string, unknown]>([
    ['nothing', 'a.b', undefined],
    ['a text before its end', 'a.b', 'ADMIN'],
    ['a list before its end', 'a.0', [['ADMIN']]],
    ['null before its end', 'a.b', null],
    ['a property that every object has', 'a.constructor.name', {}],
    ['the prototype', 'a.__proto__.roles', {}],
    ['an empty name', 'a.', { roles: ['ADMIN'] }],
    ['a list in a list', 'a', [['ADMIN']]],
    ['an object that looks like a list', 'a', { 0: 'ADMIN', length: 1 }],
    ['a number', 'a', 5],
  ])('are none if the path leads to %s', (_what, rolesClaim, a) => {
    expect(rolesOf({ a }, { rolesClaim })).toEqual([])
  })

  it('are none if only the prototype of all objects has them', () => {
    Object.defineProperty(Object.prototype, 'polluted', { value: ['ADMIN'], configurable: true })
    try {
      expect(rolesOf({ a: {} }, { rolesClaim: 'polluted' })).toEqual([])
      expect(rolesOf({ a: {} }, { rolesClaim: 'a.polluted' })).toEqual([])
    } finally {
      Reflect.deleteProperty(Object.prototype, 'polluted')
    }
  })

  it('may be the words of a text, as scopes are', () => {
    expect(rolesOf({ scope: 'openid SCORER  MONITOR ADMINISTRATOR' }, { rolesClaim: 'scope' })).toEqual(['SCORER', 'MONITOR'])
    const roleMap = roles(['risk:score', 'SCORER'])
    expect(rolesOf({ scope: 'openid risk:score' }, { rolesClaim: 'scope', roleMap })).toEqual(['SCORER'])
  })

  it('come only from the role map if there is one', () => {
    const roleMap = roles(['risk-desk', 'ANALYST'], ['risk-watch', 'MONITOR'], ['risk-lead', 'ANALYST'])
    expect(rolesOf({ roles: ['risk-lead', 'risk-desk', 'ADMIN', 'constructor', 7] }, { roleMap })).toEqual(['ANALYST'])
    expect(rolesOf({ roles: ['ADMIN', '__proto__'] }, { roleMap })).toEqual([])
  })
})

describe('the tenant of a token', () => {
  it('is `default` if the token names none', () => {
    expect(tenantOf({})).toBe('default')
    expect(tenantOf({}, { tenantMap: new Map([['1f3a', 'north']]) })).toBe('default')
  })

  it('comes from the tenant map if there is one, and a tenant that is not in the map is refused', () => {
    const tenantMap = new Map([['1f3a', 'north']])
    expect(tenantOf({ tid: '1f3a' }, { tenantClaim: 'tid', tenantMap })).toBe('north')
    for (const tid of ['north', 'default', '', null, 5, {}, ['1f3a'], 'constructor']) {
      expect(() => tenantOf({ tid }, { tenantClaim: 'tid', tenantMap })).toThrow('names no usable tenant')
    }
  })

  it('can also be found at the end of a path', () => {
    expect(tenantOf({ org: { id: 'north' } }, { tenantClaim: 'org.id' })).toBe('north')
  })
})

describe('claims for a principal', () => {
  it.each<[string, ClaimSettings, object]>([
    ['plain', PLAIN, { roles: ['SCORER'], tenant: 'north' }],
    ['found by paths', { rolesClaim: 'access.roles', tenantClaim: 'org.id' }, { 'access.roles': ['SCORER'], 'org.id': 'north' }],
    [
      'translated by maps',
      { ...PLAIN, roleMap: roles(['desk', 'ANALYST'], ['shop', 'SCORER']), tenantMap: new Map([['1f3a', 'north']]) },
      { roles: ['shop'], tenant: '1f3a' },
    ],
  ])('that are %s are read back as the same principal', (_what, settings, expected) => {
    const claims = claimsFor({ subject: 'one', tenant: 'north', roles: ['SCORER'] }, settings)
    expect(claims).toEqual(expected)
    expect(principalOf({ sub: 'one', ...claims }, settings)).toEqual({ id: 'one', tenant: 'north', roles: ['SCORER'] })
  })

  it('cannot be made for a role or a tenant that is in no map', () => {
    const mapped = { ...PLAIN, roleMap: roles(['desk', 'ANALYST']), tenantMap: new Map([['1f3a', 'north']]) }
    const ask = (tenant: string, role: Role) => () => claimsFor({ subject: 'one', tenant, roles: [role] }, mapped)
    expect(ask('north', 'SCORER')).toThrow('RISKGATE_JWT_ROLE_MAP')
    expect(ask('south', 'ANALYST')).toThrow('RISKGATE_JWT_TENANT_MAP')
    expect(ask('default', 'ANALYST')()).toEqual({ roles: ['desk'] })
  })
})

interface Shape {
  readonly settings: ClaimSettings
  readonly issuer: string
  readonly audience: string
  readonly header: object
  readonly claims: object
  readonly keys: readonly IssuerKey[]
  readonly expected: object
}

const span = () => ({ iat: nowSeconds() - 5, exp: nowSeconds() + 300 })
const ENCRYPTION_KEY = makeKey('RS256', 'enc-1', { use: 'enc', alg: 'RSA-OAEP' })
const THUMBPRINT = { x5t: 'NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg', x5c: ['MIIClzCCAX8CBgF'] }

/** Tokens in the form that each issuer writes, with made-up values. */
const SHAPES: Readonly<Record<string, () => Shape>> = {
  'Keycloak, for a service account': () => ({
    issuer: 'https://sso.bank.example/realms/risk',
    audience: 'riskgate',
    settings: { rolesClaim: 'realm_access.roles', roleMap: roles(['risk-scorer', 'SCORER']), tenantClaim: 'tenant' },
    keys: [ENCRYPTION_KEY, makeKey('RS256', 'FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE', THUMBPRINT)],
    header: {},
    claims: {
      ...span(),
      jti: 'trrtcc:7f5c0a6e-2d1b-4a53-9d4a-8d2f6b3c1e00',
      aud: ['riskgate', 'account'],
      sub: '5b0d6b1e-7e6f-4c6b-9d0f-1c4f6a2f9a11',
      typ: 'Bearer',
      azp: 'web-shop',
      acr: '1',
      'allowed-origins': ['https://shop.bank.example'],
      realm_access: { roles: ['default-roles-risk', 'offline_access', 'risk-scorer', 'uma_authorization'] },
      resource_access: { account: { roles: ['manage-account', 'view-profile'] } },
      scope: 'profile email',
      clientHost: '10.0.0.7',
      preferred_username: 'service-account-web-shop',
      client_id: 'web-shop',
    },
    expected: { id: '5b0d6b1e-7e6f-4c6b-9d0f-1c4f6a2f9a11', tenant: 'default', roles: ['SCORER'] },
  }),
  'Keycloak, with roles of the client': () => ({
    issuer: 'https://sso.bank.example/realms/risk',
    audience: 'riskgate',
    settings: { rolesClaim: 'resource_access.riskgate.roles', tenantClaim: 'organization.id' },
    keys: [makeKey('ES256', 'b7x'), ENCRYPTION_KEY],
    header: {},
    claims: {
      ...span(),
      aud: 'riskgate',
      sub: 'f:0e5c:anna',
      typ: 'Bearer',
      realm_access: { roles: ['ADMIN'] },
      resource_access: { riskgate: { roles: ['ANALYST', 'MONITOR'] }, account: { roles: ['ADMIN'] } },
      organization: { id: 'north' },
    },
    expected: { id: 'f:0e5c:anna', tenant: 'north', roles: ['MONITOR', 'ANALYST'] },
  }),
  'Auth0, with a claim of its own': () => ({
    issuer: 'https://bank.eu.auth0.example/',
    audience: 'https://riskgate.bank.example',
    settings: {
      rolesClaim: 'https://riskgate.bank.example/roles',
      tenantClaim: 'org_id',
      tenantMap: new Map([['org_9ybsU', 'north']]),
    },
    keys: [makeKey('RS256', 'NjVBRjY5', THUMBPRINT), makeKey('RS256', 'QjMyRTA4', THUMBPRINT)],
    header: {},
    claims: {
      ...span(),
      aud: ['https://riskgate.bank.example', 'https://bank.eu.auth0.example/userinfo'],
      sub: 'auth0|64f0c2a1e9b1f2a3c4d5e6f7',
      azp: 'my9aClient',
      scope: 'openid profile',
      org_id: 'org_9ybsU',
      'https://riskgate.bank.example/roles': ['ANALYST', 'Some other role'],
    },
    expected: { id: 'auth0|64f0c2a1e9b1f2a3c4d5e6f7', tenant: 'north', roles: ['ANALYST'] },
  }),
  'Auth0, from machine to machine with permissions as scopes (RFC 9068)': () => ({
    issuer: 'https://bank.eu.auth0.example/',
    audience: 'https://riskgate.bank.example',
    settings: {
      rolesClaim: 'scope',
      roleMap: roles(['score:create', 'SCORER'], ['alerts:read', 'MONITOR']),
      tenantClaim: 'tenant',
    },
    keys: [makeKey('PS256', 'ps-1')],
    header: { typ: 'at+jwt' },
    claims: {
      ...span(),
      aud: 'https://riskgate.bank.example',
      sub: 'AbCdEf123@clients',
      client_id: 'AbCdEf123',
      gty: 'client-credentials',
      scope: 'score:create alerts:read read:users',
    },
    expected: { id: 'AbCdEf123@clients', tenant: 'default', roles: ['SCORER', 'MONITOR'] },
  }),
  'Entra ID, version 2, whose keys name no algorithm': () => ({
    issuer: 'https://login.microsoftonline.example/3aa4a235/v2.0',
    audience: 'api://6e74172b',
    settings: {
      rolesClaim: 'roles',
      roleMap: roles(['Risk.Analyst', 'ANALYST']),
      tenantClaim: 'tid',
      tenantMap: new Map([['3aa4a235', 'north']]),
    },
    keys: [
      makeKey('RS256', 'nOo3ZDrODXEK1jKWhXslHR_KXEg', {
        ...THUMBPRINT,
        alg: undefined,
        issuer: 'https://login.microsoftonline.example',
      }),
    ],
    header: { x5t: 'nOo3ZDrODXEK1jKWhXslHR_KXEg' },
    claims: {
      ...span(),
      nbf: nowSeconds() - 5,
      aud: 'api://6e74172b',
      aio: 'ATQAy/8TAAAA',
      azp: '0f9b',
      azpacr: '1',
      oid: '9f1c',
      rh: '0.AXoA',
      roles: ['Risk.Analyst', 'Other.Role'],
      sub: 'I63T_aAhSVq9Yr1cW0Xc7yZ9A1G7bQ3rV0K',
      tid: '3aa4a235',
      uti: 'qB0',
      ver: '2.0',
    },
    expected: { id: 'I63T_aAhSVq9Yr1cW0Xc7yZ9A1G7bQ3rV0K', tenant: 'north', roles: ['ANALYST'] },
  }),
}

describe('a token of', () => {
  it.each(Object.entries(SHAPES))('%s, names its principal', async (_name, shapeOf) => {
    const { settings, issuer, audience, header, claims, keys, expected } = shapeOf()
    await using published = await startIssuer(keys)
    const keySet = new KeySet({
      url: new URL(published.url),
      algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
      changed: () => {},
      fetched: () => {},
    })
    const tokens = new Tokens({ ...settings, issuer, audience, keySet })
    const key = keys.find(({ jwk }) => jwk.use !== 'enc') as IssuerKey
    expect(await tokens.authenticate(tokenOf(key, { iss: issuer, ...claims }, header))).toMatchObject(expected)
    const elsewhere = tokenOf(key, { iss: `${issuer}x`, ...claims }, header)
    await expect(tokens.authenticate(elsewhere)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await keySet.stop()
  })
})
