import { createHmac } from 'node:crypto'
import { SignJWT } from 'jose'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { Authenticator } from '../../../src/auth/authenticator.js'
import { permissionsOf } from '../../../src/auth/permissions.js'
import type { Role } from '../../../src/auth/principal.js'
import { Tokens } from '../../../src/auth/tokens.js'
import { verificationKeyOf } from '../../../src/auth/verificationKey.js'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import { AUDIENCE, claimsOf, ISSUER, makeKey, nowSeconds, tokenOf } from '../../support/issuer.js'
import { present } from '../../support/process.js'

const SECRET = Buffer.from('a secret for tests, of 32 bytes or more')
const OTHER_SECRET = Buffer.from('another secret, 32 bytes or more!!')
const SETTINGS = { secret: SECRET, issuer: 'riskgate', audience: 'gateway' }
const now = () => Math.floor(Date.now() / 1000)
const claims = () => ({ iss: 'riskgate', aud: 'gateway', sub: 'web-shop', exp: now() + 600, roles: ['SCORER'] })

const encode = (value: unknown) =>
  Buffer.from(Buffer.isBuffer(value) ? value : typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** Writes a token by hand, so that it may hold anything; with an empty `hash` it is unsigned. */
function forge(payload: unknown, header: object | string = { alg: 'HS256' }, hash = 'sha256', secret = SECRET): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${hash ? createHmac(hash, secret).update(signed).digest('base64url') : ''}`
}

const withTokens = (tokens: Tokens) => new Authenticator({ tokens, apiKeys: tokens, withdrawals: new Withdrawals() })

function authenticate(token: string) {
  return withTokens(new Tokens(SETTINGS)).authenticate(`Bearer ${token}`)
}

describe('an access token', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('that the gateway signed names its principal', async () => {
    const tokens = new Tokens(SETTINGS)
    const token = await tokens.sign({ subject: 'web-shop', tenant: 'north', roles: ['SCORER', 'MONITOR'], ttlSeconds: 60 })
    const principal = await withTokens(tokens).authenticate(`bearer ${token}`)
    expect(principal).toMatchObject({ id: 'web-shop', tenant: 'north', roles: ['SCORER', 'MONITOR'] })
    expect(principal.permissions).toEqual(permissionsOf(['SCORER', 'MONITOR']))
  })

  it('without a tenant belongs to the tenant `default`', async () => {
    expect(await authenticate(forge(claims()))).toMatchObject({ tenant: 'default', roles: ['SCORER'] })
  })

  it.each<[string, () => string]>([
    ['has expired', () => forge({ ...claims(), exp: now() - 31 })],
    ['is not valid yet', () => forge({ ...claims(), nbf: now() + 60 })],
    ['has no expiry', () => forge({ ...claims(), exp: undefined })],
    ['has an expiry that is a text', () => forge({ ...claims(), exp: '9999999999' })],
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
    ['has the algorithm None, but is signed', () => forge(claims(), { alg: 'None' })],
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
    ['names the URL of a key', () => forge(claims(), { alg: 'HS256', jku: 'https://evil.example/keys' })],
    ['carries its own key', () => forge(claims(), { alg: 'HS256', jwk: { kty: 'oct', k: 'AA' } })],
    ['carries its own certificate', () => forge(claims(), { alg: 'HS256', x5c: ['AA'] })],
    ['names the URL of a certificate', () => forge(claims(), { alg: 'HS256', x5u: 'https://evil.example' })],
    ['has compressed claims', () => forge(claims(), { alg: 'HS256', zip: 'DEF' })],
    ['is a logout token', () => forge(claims(), { alg: 'HS256', typ: 'logout+jwt' })],
    ['has a type that is a list', () => forge(claims(), { alg: 'HS256', typ: ['JWT'] })],
    ['names its key by a number', () => forge(claims(), { alg: 'HS256', kid: 5 })],
    ['has a name twice in its header', () => forge(claims(), '{"alg":"none","alg":"HS256"}')],
    ['has a claim twice', () => forge(JSON.stringify(claims()).replace('{', '{"sub":"root",'))],
    ['has a claim twice, once escaped', () => forge(JSON.stringify(claims()).replace('{', '{"\\u0073ub":"root",'))],
    ['has a claim twice, deep inside', () => forge(JSON.stringify(claims()).replace('{', '{"a":[{"b":{"c":1,"d":[],"c":2}}],'))],
    ['has a byte order mark', () => forge(`\ufeff${JSON.stringify(claims())}`)],
    ['has bytes that are not UTF-8', () => forge(Buffer.from(`${JSON.stringify(claims()).slice(0, -1)},"a":"\xff"}`, 'latin1'))],
    ['has an infinite expiry', () => forge(JSON.stringify(claims()).replace(/"exp":\d+/, '"exp":1e999'))],
    ['expires after the last instant that a Date can hold', () => forge({ ...claims(), exp: 8.64e12 })],
    ['is valid from minus infinity on', () => forge(JSON.stringify({ ...claims(), nbf: 0 }).replace('"nbf":0', '"nbf":-1e999'))],
    ['is valid from null on', () => forge({ ...claims(), nbf: null })],
    ['has a time of issue that is a text', () => forge({ ...claims(), iat: 'now' })],
    ['has a payload that is a list', () => forge(['ADMIN'])],
    ['has a payload that is a text', () => forge('"ADMIN"')],
    ['has two parts', () => forge(claims()).split('.').slice(0, 2).join('.')],
    ['has five parts', () => `${forge(claims())}.a.b`],
    ['is no token', () => 'abc'],
    ['is longer than 8 KiB', () => forge({ ...claims(), padding: 'x'.repeat(8_192) })],
  ])('that %s is refused', async (_what, token) => {
    await expect(authenticate(token())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('that was changed in any of its parts is refused', async () => {
    const [header = '', , signature = ''] = forge(claims()).split('.')
    const admin = encode({ ...claims(), roles: ['ADMIN'] })
    await expect(authenticate(`${header}.${admin}.${signature}`)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    const token = forge(claims())
    for (let i = 0; i < token.length; i++) {
      if (token[i] === '.') continue
      const flipped = `${token.slice(0, i)}${token[i] === 'A' ? 'B' : 'A'}${token.slice(i + 1)}`
      await expect(authenticate(flipped), `changed at ${i}`).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it('in any other than its canonical form is refused', async () => {
    const token = forge(claims())
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    // The last of the signature's 43 characters has two unused bits.
    const strayBits = `${token.slice(0, -1)}${alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1]}`
    for (const other of [
      strayBits,
      `${token}=`,
      `${token}.`,
      `.${token}`,
      `${token}A`,
      token.slice(0, -1),
      token.replace('.', '..'),
    ]) {
      await expect(authenticate(other), other).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
  })

  it.each([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt'])('of the type %j is accepted', async typ => {
    expect(await authenticate(forge(claims(), { alg: 'HS256', typ }))).toMatchObject({ id: 'web-shop' })
  })

  it('that is expired or early within the allowed clock skew is accepted', async () => {
    expect(await authenticate(forge({ ...claims(), exp: now() - 28 }))).toMatchObject({ id: 'web-shop' })
    expect(await authenticate(forge({ ...claims(), nbf: now() + 28, iat: now() + 28 }))).toMatchObject({ id: 'web-shop' })
    expect(await authenticate(forge({ ...claims(), exp: now() + 0.5, aud: ['other', 'gateway'] }))).toMatchObject({
      id: 'web-shop',
    })
  })

  it('under the previous secret is accepted, and new tokens use the new secret', async () => {
    const [old, both] = [new Tokens(SETTINGS), new Tokens({ ...SETTINGS, secret: OTHER_SECRET, previousSecret: SECRET })]
    const after = new Tokens({ ...SETTINGS, secret: OTHER_SECRET })
    const request = { subject: 'web-shop', roles: ['SCORER'], ttlSeconds: 60 } as const
    const [before, since] = [await old.sign(request), await both.sign(request)]
    expect(await both.authenticate(before)).toMatchObject({ id: 'web-shop', credential: 'secret' })
    expect(await both.authenticate(since)).toMatchObject({ id: 'web-shop', credential: 'secret' })
    expect(await after.authenticate(since)).toMatchObject({ id: 'web-shop' })
    await expect(after.authenticate(before)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    await expect(old.authenticate(since)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('that many requests carry at once is verified once', async () => {
    const key = makeKey('ES256', 'one')
    const verificationKey = present(verificationKeyOf(key.jwk, ['ES256']))
    const asked: string[] = []
    const keySet = {
      find: async ({ id }: { id: string | undefined }) => {
        asked.push(`${id}`)
        return verificationKey
      },
      holds: () => true,
    }
    const tokens = new Tokens({ issuer: ISSUER, audience: AUDIENCE, keySet })
    const token = tokenOf(key)
    const principals = await Promise.all(Array.from({ length: 50 }, () => tokens.authenticate(token)))
    expect(new Set(principals).size).toBe(1)
    expect(await tokens.authenticate(token)).toBe(principals[0])
    expect(asked).toEqual(['one'])
    tokens.forget('jwt:another')
    await tokens.authenticate(token)
    expect(asked).toHaveLength(1)
    tokens.forget('jwt:one')
    await tokens.authenticate(token)
    expect(asked).toHaveLength(2)
    const bad = `${token.slice(0, -4)}AAAA`
    const refusals = await Promise.allSettled(Array.from({ length: 50 }, () => tokens.authenticate(bad)))
    expect(refusals.every(({ status }) => status === 'rejected')).toBe(true)
    expect(asked).toHaveLength(3)
  })

  it('whose key is removed during its verification is refused', async () => {
    const key = makeKey('ES256', 'one')
    const found = present(verificationKeyOf(key.jwk, ['ES256']))
    const tokens = new Tokens({ issuer: ISSUER, audience: AUDIENCE, keySet: { find: async () => found, holds: () => false } })
    await expect(tokens.authenticate(tokenOf(key))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('whose claims are not acceptable causes no look-up of its key', async () => {
    const find = () => Promise.reject(new Error('asked'))
    const tokens = new Tokens({ issuer: ISSUER, audience: AUDIENCE, keySet: { find, holds: () => true } })
    const key = makeKey('ES256', 'one')
    const useless = [{ iss: 'other' }, { aud: 'other' }, { exp: nowSeconds() - 60 }, { nbf: nowSeconds() + 60 }, { sub: '' }]
    for (const claim of useless) {
      await expect(tokens.authenticate(tokenOf(key, claimsOf(claim)))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    await expect(tokens.authenticate(tokenOf(key))).rejects.toThrow('asked')
  })

  it('signed with a secret is refused if no secret is set, and with a key if no issuer is set', async () => {
    const withoutSecret = new Tokens({ issuer: 'riskgate', audience: 'gateway' })
    for (const secret of [SECRET, Buffer.alloc(0), Buffer.from('undefined')]) {
      const token = forge(claims(), { alg: 'HS256' }, 'sha256', secret)
      await expect(withoutSecret.authenticate(token)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
    }
    const withoutKeys = new Tokens({ secret: SECRET, issuer: ISSUER, audience: AUDIENCE })
    await expect(withoutKeys.authenticate(tokenOf(makeKey('ES256', 'one')))).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
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

  it.each([undefined, '', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz'])('cannot be read from the header %j', async header => {
    await expect(withTokens(new Tokens(SETTINGS)).authenticate(header)).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  })

  it('with unknown, inherited or wrongly typed roles keeps only the known roles', async () => {
    const rolesOf = async (roles: unknown) => (await authenticate(forge({ ...claims(), roles }))).roles
    expect(await rolesOf(['ROOT', 'admin', 'constructor', '__proto__', 'MONITOR', 'MONITOR', 7, null])).toEqual(['MONITOR'])
    expect(await rolesOf('ADMINISTRATOR')).toEqual([])
    expect(await rolesOf('ADMIN,SCORER')).toEqual([])
    expect(await rolesOf({ 0: 'ADMIN', length: 1 })).toEqual([])
    expect(await rolesOf(undefined)).toEqual([])
  })

  it('without a role has no permissions', async () => {
    expect([...(await authenticate(forge({ ...claims(), roles: [] }))).permissions]).toEqual([])
  })

  it('that has expired is refused with a message that says so and shows none of its contents', async () => {
    const expired = forge({ ...claims(), sub: 'canary', exp: now() - 60 })
    await expect(authenticate(expired)).rejects.toThrow('The access token has expired; ask for a new one.')
    await expect(authenticate(forge({ ...claims(), iss: 'canary' }))).rejects.toThrow(
      /^The access token is not valid here; ask for a new one\.$/,
    )
  })

  it('is remembered until it expires plus the allowed clock skew, and no longer', async () => {
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

  it('signed with another secret is refused the second time too', async () => {
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
