import { createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Authenticator } from '../../src/auth/authenticator.js'
import { permissionsOf } from '../../src/auth/permissions.js'
import type { Role } from '../../src/auth/principal.js'
import { Tokens } from '../../src/auth/tokens.js'
import { Withdrawals } from '../../src/auth/withdrawals.js'

const SECRET = Buffer.from('a secret for tests, of 32 bytes or more')
const SETTINGS = { secret: SECRET, issuer: 'riskgate', audience: 'gateway' }
const now = () => Math.floor(Date.now() / 1000)
const claims = () => ({ iss: 'riskgate', aud: 'gateway', sub: 'web-shop', exp: now() + 600, roles: ['SCORER'] })

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token by hand, so that it may be anything; without a `hash` it is unsigned. */
function forge(payload: unknown, header: object = { alg: 'HS256' }, hash = 'sha256', secret = SECRET): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${hash ? createHmac(hash, secret).update(signed).digest('base64url') : ''}`
}

const withTokens = (tokens: Tokens) => new Authenticator({ tokens, withdrawals: new Withdrawals() })

function authenticate(token: string) {
  return withTokens(new Tokens(SETTINGS)).authenticate(`Bearer ${token}`)
}

describe('an access token', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('that was signed here names its principal', async () => {
    const tokens = new Tokens(SETTINGS)
    const token = await tokens.sign({ subject: 'web-shop', tenant: 'north', roles: ['SCORER', 'MONITOR'], ttlSeconds: 60 })
    const principal = await withTokens(tokens).authenticate(`bearer ${token}`)
    expect(principal).toMatchObject({ id: 'web-shop', tenant: 'north', roles: ['SCORER', 'MONITOR'] })
    expect(principal.permissions).toEqual(permissionsOf(['SCORER', 'MONITOR']))
  })

  it('without a tenant belongs to the default one', async () => {
    expect(await authenticate(forge(claims()))).toMatchObject({ tenant: 'default', roles: ['SCORER'] })
  })

  it.each<[string, () => string]>([
    ['has expired', () => forge({ ...claims(), exp: now() - 31 })],
    ['is not valid yet', () => forge({ ...claims(), nbf: now() + 60 })],
    ['has no end', () => forge({ ...claims(), exp: undefined })],
    ['has an end that is a text', () => forge({ ...claims(), exp: '9999999999' })],
    ['is of another issuer', () => forge({ ...claims(), iss: 'other' })],
    ['has no issuer', () => forge({ ...claims(), iss: undefined })],
    ['is for another audience', () => forge({ ...claims(), aud: 'other' })],
    ['has no audience', () => forge({ ...claims(), aud: undefined })],
    ['has no subject', () => forge({ ...claims(), sub: undefined })],
    ['has an empty subject', () => forge({ ...claims(), sub: '' })],
    ['has a subject with a space', () => forge({ ...claims(), sub: 'web shop' })],
    ['has a subject of 129 characters', () => forge({ ...claims(), sub: 'x'.repeat(129) })],
    ['has a subject that is a list', () => forge({ ...claims(), sub: ['web-shop'] })],
    ['has a tenant that is an object', () => forge({ ...claims(), tenant: {} })],
    ['has a tenant with a line break', () => forge({ ...claims(), tenant: 'a\nb' })],
    ['has the algorithm none', () => forge(claims(), { alg: 'none' }, '')],
    ['has the algorithm None, signed all the same', () => forge(claims(), { alg: 'None' })],
    ['has no algorithm', () => forge(claims(), {})],
    ['is signed by HS512', () => forge(claims(), { alg: 'HS512' }, 'sha512')],
    ['says HS256 but is signed by HS512', () => forge(claims(), { alg: 'HS256' }, 'sha512')],
    ['says RS256', () => forge(claims(), { alg: 'RS256' })],
    ['is unsigned', () => forge(claims(), { alg: 'HS256' }, '')],
    [
      'is signed with another secret',
      () => forge(claims(), { alg: 'HS256' }, 'sha256', Buffer.from('another secret, 32 bytes or more!!')),
    ],
    ['has a critical header', () => forge(claims(), { alg: 'HS256', crit: ['exp'], exp: 1 })],
    ['has a payload that is not encoded', () => forge(claims(), { alg: 'HS256', crit: ['b64'], b64: false })],
    ['names a key by its address', () => forge(claims(), { alg: 'HS256', jku: 'https://evil.example/keys' })],
    ['brings a key of its own', () => forge(claims(), { alg: 'HS256', jwk: { kty: 'oct', k: 'AA' } })],
    ['brings a certificate of its own', () => forge(claims(), { alg: 'HS256', x5c: ['AA'] })],
    ['names a certificate by its address', () => forge(claims(), { alg: 'HS256', x5u: 'https://evil.example' })],
    ['has a payload that is a list', () => forge(['ADMIN'])],
    ['has a payload that is a text', () => forge('ADMIN')],
    ['has two parts', () => forge(claims()).split('.').slice(0, 2).join('.')],
    ['has five parts', () => `${forge(claims())}.a.b`],
    ['is no token', () => 'abc'],
    ['is longer than any of ours', () => forge({ ...claims(), padding: 'x'.repeat(8_192) })],
  ])('that %s is refused', async (_what, token) => {
    await expect(authenticate(token())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('that was tampered with in any of its parts is refused', async () => {
    const [header = '', , signature = ''] = forge(claims()).split('.')
    const admin = encode({ ...claims(), roles: ['ADMIN'] })
    await expect(authenticate(`${header}.${admin}.${signature}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    const token = forge(claims())
    for (let i = 0; i < token.length - 1; i += 5) {
      const flipped = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`
      await expect(authenticate(flipped), `changed at ${i}`).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it('with white space inside or around it is refused', async () => {
    const token = forge(claims())
    for (const spaced of [
      ` ${token}`,
      `${token} `,
      `${token}\n`,
      token.replace('.', ' .'),
      `${token.slice(0, 40)}\n${token.slice(40)}`,
    ]) {
      await expect(authenticate(spaced)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz'])('is not found in the header %j', async header => {
    await expect(withTokens(new Tokens(SETTINGS)).authenticate(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('with unknown, inherited or wrongly typed roles has only those that are known', async () => {
    const rolesOf = async (roles: unknown) => (await authenticate(forge({ ...claims(), roles }))).roles
    expect(await rolesOf(['ROOT', 'admin', 'constructor', '__proto__', 'MONITOR', 'MONITOR', 7, null])).toEqual(['MONITOR'])
    expect(await rolesOf('ADMIN')).toEqual([])
    expect(await rolesOf({ 0: 'ADMIN', length: 1 })).toEqual([])
    expect(await rolesOf(undefined)).toEqual([])
  })

  it('without a role has no permission at all', async () => {
    expect([...(await authenticate(forge({ ...claims(), roles: [] }))).permissions]).toEqual([])
  })

  it('says that it has expired, and nothing of what is in it', async () => {
    const expired = forge({ ...claims(), sub: 'canary', exp: now() - 60 })
    await expect(authenticate(expired)).rejects.toThrow('The access token has expired; ask for a new one.')
    await expect(authenticate(forge({ ...claims(), iss: 'canary' }))).rejects.toThrow(/^The access token is not valid here\.$/)
  })

  it('is remembered while it lasts, and not a moment longer than its end and the skew of clocks', async () => {
    vi.useFakeTimers({ toFake: ['Date'] })
    const tokens = new Tokens(SETTINGS)
    const header = `Bearer ${await tokens.sign({ subject: 'web-shop', roles: ['SCORER'] as Role[], ttlSeconds: 60 })}`
    const first = await withTokens(tokens).authenticate(header)
    expect(await withTokens(tokens).authenticate(header)).toBe(first)
    vi.setSystemTime(Date.now() + 89_000)
    expect(await withTokens(tokens).authenticate(header)).toEqual(first)
    vi.setSystemTime(Date.now() + 3_000)
    await expect(withTokens(tokens).authenticate(header)).rejects.toThrow('has expired')
  })

  it('of another set of settings is not remembered here', async () => {
    const token = await new SignJWT({ roles: ['ADMIN'] })
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('riskgate')
      .setAudience('gateway')
      .setSubject('x')
      .setExpirationTime('1h')
      .sign(Buffer.from('another secret, 32 bytes or more!!'))
    const tokens = new Tokens(SETTINGS)
    for (let i = 0; i < 2; i++)
      await expect(withTokens(tokens).authenticate(`Bearer ${token}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })
})
