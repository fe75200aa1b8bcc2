import { generateKeyPairSync, type JsonWebKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { SIGNATURE_ALGORITHMS, type SignatureAlgorithm, verificationKeyOf } from '../../../src/auth/verificationKey.js'
import { makeKey } from '../../support/issuer.js'

const ALLOWED: SignatureAlgorithm[] = ['RS256', 'PS256', 'ES256', 'EdDSA']
const RSA = makeKey('RS256', 'rsa').jwk
const EC = makeKey('ES256', 'ec').jwk

describe('a key of an issuer', () => {
  it.each(SIGNATURE_ALGORITHMS)('for %s serves that algorithm alone', algorithm => {
    const { jwk } = makeKey(algorithm, 'one')
    expect(verificationKeyOf(jwk, SIGNATURE_ALGORITHMS)).toMatchObject({ id: 'one', algorithm, credential: 'jwt:one' })
    expect(
      verificationKeyOf(
        jwk,
        SIGNATURE_ALGORITHMS.filter(other => other !== algorithm),
      ),
    ).toBeUndefined()
  })

  it.each<[string, SignatureAlgorithm[], SignatureAlgorithm | undefined]>([
    ['RS256', ['RS256', 'PS256'], 'RS256'],
    ['RS256', ['ES256', 'PS256', 'RS256'], 'PS256'],
    ['ES384', ['ES256', 'ES384'], 'ES384'],
    ['ES384', ['ES256'], undefined],
    ['EdDSA', ['EdDSA'], 'EdDSA'],
  ])('made for %s that names no algorithm serves the first of %j that fits', (made, allowed, expected) => {
    const { alg: _alg, ...jwk } = makeKey(made as SignatureAlgorithm, 'one').jwk
    expect(verificationKeyOf(jwk, allowed)?.algorithm).toBe(expected)
  })

  it('without a name is known by its fingerprint, which does not depend on the name', () => {
    const { kid: _kid, ...nameless } = EC
    const [named, unnamed] = [verificationKeyOf(EC, ALLOWED), verificationKeyOf(nameless, ALLOWED)]
    expect(unnamed?.credential).toBe(`jwt:${unnamed?.fingerprint}`)
    expect(named?.fingerprint).toBe(unnamed?.fingerprint)
    expect(verificationKeyOf(makeKey('ES256', 'ec').jwk, ALLOWED)?.fingerprint).not.toBe(named?.fingerprint)
  })

  const exportedAs = (key: 'publicKey' | 'privateKey', pair: ReturnType<typeof generateKeyPairSync>) =>
    (pair as unknown as Record<string, { export(options: object): JsonWebKey }>)[key]?.export({ format: 'jwk' }) as object
  it.each<[string, () => unknown]>([
    ['is symmetric', () => ({ kty: 'oct', k: 'c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0ISE', kid: 'one', alg: 'HS256' })],
    ['is symmetric and claims to be for RS256', () => ({ kty: 'oct', k: 'c2VjcmV0', kid: 'one', alg: 'RS256', use: 'sig' })],
    ['is a private RSA key', () => exportedAs('privateKey', generateKeyPairSync('rsa', { modulusLength: 2048 }) as never)],
    ['is a private EC key', () => exportedAs('privateKey', generateKeyPairSync('ec', { namedCurve: 'P-256' }) as never)],
    ['is a public key with a part of its private key', () => ({ ...RSA, d: '' })],
    ['is an RSA key of 1024 bits', () => makeKey('RS256', 'one', {}, 1024).jwk],
    ['is an RSA key of 2047 bits', () => makeKey('RS256', 'one', {}, 2047).jwk],
    ['is a short RSA key, padded with zeros', () => padded(makeKey('RS256', 'one', {}, 1024).jwk)],
    ['is an RSA key so long that verifying takes ages', () => ({ ...RSA, n: Buffer.alloc(2_000, 0xff).toString('base64url') })],
    ['has the exponent 1', () => ({ ...RSA, e: 'AQ' })],
    ['has the exponent 1, with zeros before it', () => ({ ...RSA, e: 'AAAB' })],
    ['has the exponent 2', () => ({ ...RSA, e: 'Ag' })],
    ['has the exponent 0', () => ({ ...RSA, e: 'AA' })],
    ['has an exponent of 64 bits', () => ({ ...RSA, e: '__________8' })],
    ['has no exponent', () => ({ ...RSA, e: undefined })],
    ['has a modulus that is a number', () => ({ ...RSA, n: 5 })],
    ['is for encryption', () => ({ ...RSA, use: 'enc' })],
    ['is for a use that is a list', () => ({ ...RSA, use: ['sig'] })],
    ['is not meant for verifying', () => ({ ...RSA, key_ops: ['encrypt'] })],
    ['is for no operation', () => ({ ...RSA, key_ops: [] })],
    ['has operations that are a text', () => ({ ...RSA, key_ops: 'verify' })],
    ['is for an algorithm of encryption', () => ({ ...RSA, alg: 'RSA-OAEP' })],
    ['is for an algorithm of another kind of key', () => ({ ...RSA, alg: 'ES256' })],
    ['is for an algorithm of another curve', () => ({ ...EC, alg: 'ES384' })],
    ['is for an algorithm that is not allowed', () => ({ ...RSA, alg: 'RS512' })],
    ['is for HS256', () => ({ ...RSA, alg: 'HS256' })],
    ['is for no algorithm', () => ({ ...RSA, alg: 'none' })],
    ['names an algorithm that is a property of every object', () => ({ ...RSA, alg: 'constructor' })],
    [
      'is on an unsupported curve',
      () => exportedAs('publicKey', generateKeyPairSync('ec', { namedCurve: 'secp256k1' }) as never),
    ],
    ['is not on its curve', () => ({ ...EC, x: EC.y })],
    ['is at infinity', () => ({ ...EC, x: Buffer.alloc(32).toString('base64url'), y: Buffer.alloc(32).toString('base64url') })],
    ['is for key agreement', () => exportedAs('publicKey', generateKeyPairSync('x25519') as never)],
    ['has a name that is a number', () => ({ ...EC, kid: 7 })],
    ['has an empty name', () => ({ ...EC, kid: '' })],
    ['has a name of 257 characters', () => ({ ...EC, kid: 'x'.repeat(257) })],
    ['is null', () => null],
    ['is a text', () => 'key'],
    ['is a list', () => [EC]],
  ])('that %s is not accepted', (_what, jwk) => {
    expect(verificationKeyOf(jwk(), ALLOWED)).toBeUndefined()
  })
})

function padded(jwk: JsonWebKey): object {
  return { ...jwk, n: Buffer.concat([Buffer.alloc(128), Buffer.from(String(jwk.n), 'base64url')]).toString('base64url') }
}
