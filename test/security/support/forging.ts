import { constants, createHash, createHmac, createPublicKey, type KeyExportOptions, sign } from 'node:crypto'
import type { SignatureAlgorithm } from '../../../src/auth/verificationKey.js'
import { TEST_SECRET } from '../../support/gateway.js'
import { claimsOf, encoded, type IssuerKey, makeKey, tokenOf } from '../../support/issuer.js'
import { CANARY } from '../../support/refused.js'

/** The keys that the issuer publishes: good ones, and some that it should not publish. */
export const KEYS = {
  rsa: makeKey('RS256', 'rsa-1'),
  rsa2: makeKey('RS256', 'rsa-2'),
  ps: makeKey('PS256', 'ps-1'),
  ec: makeKey('ES256', 'ec-1'),
  ed: makeKey('EdDSA', 'ed-1'),
  bare: makeKey('RS256', 'bare-1', { alg: undefined, use: undefined }),
  notAllowed: makeKey('ES384', 'ec-384'),
  weak: makeKey('RS256', 'weak-1', {}, 1024),
  exponentOne: makeKey('RS256', 'e1', { e: 'AQ' }),
  encryption: makeKey('RS256', 'enc-1', { use: 'enc' }),
  wraps: makeKey('RS256', 'ops-1', { use: undefined, key_ops: ['wrapKey'] }),
  twin: makeKey('ES256', 'twins'),
  otherTwin: makeKey('ES256', 'twins'),
  leaked: withPrivatePart(makeKey('ES256', 'leaked-1')),
} satisfies Record<string, IssuerKey>
const SYMMETRIC = { kty: 'oct', kid: 'oct-1', k: Buffer.from(TEST_SECRET.toUpperCase()).toString('base64url') }
export const PUBLISHED = [...Object.values(KEYS), { jwk: SYMMETRIC }, { jwk: { ...SYMMETRIC, kid: 'oct-2', alg: 'RS256' } }]

const { rsa, ps, ec } = KEYS
export const ATTACKER = makeKey('RS256', 'rsa-1')
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n

export const claims = (more: object = {}) => claimsOf({ sub: CANARY, roles: ['ADMIN'], ...more })

/** A token that is valid except for these claims. */
export const claiming = (more: object) => tokenOf(ec, claims(more))
/** A token that is valid except for this change to the JSON of its claims. */
export const rewritten = (rewrite: (json: string) => string) => tokenOf(ec, rewrite(JSON.stringify(claims())))

export function hmacToken(
  secret: string | Buffer,
  header: object | string = {},
  hash = 'sha256',
  body: unknown = claims(),
): string {
  const signed = `${encoded(typeof header === 'string' ? header : { alg: 'HS256', typ: 'JWT', ...header })}.${encoded(body)}`
  return `${signed}.${createHmac(hash, secret).update(signed).digest('base64url')}`
}

/** A token whose signature is made from its signed part, or from its valid signature. */
export function resigned(key: IssuerKey, change: (signature: Buffer, signed: string) => Buffer | string): string {
  const [header = '', body = '', signature = ''] = tokenOf(key, claims()).split('.')
  const changed = change(Buffer.from(signature, 'base64url'), `${header}.${body}`)
  return `${header}.${body}.${typeof changed === 'string' ? changed : changed.toString('base64url')}`
}

/** A token of this key that names and uses another algorithm. */
export function signedAs(key: IssuerKey, algorithm: SignatureAlgorithm, header: object = {}): string {
  return tokenOf({ ...key, algorithm }, claims(), header)
}

export const publicText = (type: 'spki' | 'pkcs1', format: 'pem' | 'der') =>
  createPublicKey(rsa.privateKey).export({ type, format } as KeyExportOptions<'pem'>)

/** The second valid signature of an ECDSA token: (r, n - s). The holder of a token can compute it, and gets the same principal. */
export function malleated(): string {
  return resigned(ec, good => {
    const s = BigInt(`0x${good.subarray(32).toString('hex')}`)
    return Buffer.concat([good.subarray(0, 32), bytes(P256_ORDER - s)])
  })
}

function withPrivatePart(key: IssuerKey): IssuerKey {
  return { ...key, jwk: { ...key.privateKey.export({ format: 'jwk' }), kid: key.jwk.kid ?? '', alg: key.algorithm, use: 'sig' } }
}

export function bytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}

/** The input of an RSA signature by PKCS #1: the digest with its padding. */
export function emsa(signed: string, length: number): Buffer {
  const digest = Buffer.concat([
    Buffer.from('3031300d060960864801650304020105000420', 'hex'),
    createHash('sha256').update(signed).digest(),
  ])
  const padding = Buffer.alloc(length - digest.length - 3, 0xff)
  return Buffer.concat([Buffer.of(0, 1), padding, Buffer.of(0), digest])
}

export function pss(signed: string, saltLength: number): Buffer {
  return sign('sha256', Buffer.from(signed), { key: ps.privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

export function p1363(signed: string, hash: string): Buffer {
  return sign(hash, Buffer.from(signed), { key: ec.privateKey, dsaEncoding: 'ieee-p1363' })
}

/** Adds the order of the group to `s`. Ed25519 writes numbers in little-endian order. */
export function plusOrder(s: Buffer): Buffer {
  return bytes(BigInt(`0x${Buffer.from(s).reverse().toString('hex')}`) + ED25519_ORDER).reverse()
}

export function flipped(good: Buffer): Buffer {
  const copy = Buffer.from(good)
  copy.writeUInt8(copy.readUInt8(20) ^ 1, 20)
  return copy
}

export function withStrayBits(token: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  return `${token.slice(0, -1)}${alphabet[alphabet.indexOf(token.at(-1) ?? '') + 1]}`
}
