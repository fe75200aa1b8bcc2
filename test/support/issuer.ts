import { constants, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SignatureAlgorithm } from '../../src/auth/verificationKey.js'

export const ISSUER = 'https://login.bank.example/realms/risk'
export const AUDIENCE = 'riskgate-api'

/** A key pair of an issuer, and its entry in the key set. */
export interface IssuerKey {
  readonly algorithm: SignatureAlgorithm
  readonly jwk: JsonWebKey & { kid?: string; alg?: string; use?: string }
  readonly privateKey: KeyObject
}

const CURVES: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

/** Makes a fresh key; `jwk` overrides fields of its entry in the key set. */
export function makeKey(
  algorithm: SignatureAlgorithm,
  kid: string | undefined,
  jwk: object = {},
  modulusLength = 2048,
): IssuerKey {
  const curve = CURVES[algorithm]
  const { publicKey, privateKey } =
    algorithm === 'EdDSA'
      ? generateKeyPairSync('ed25519')
      : curve
        ? generateKeyPairSync('ec', { namedCurve: curve })
        : generateKeyPairSync('rsa', { modulusLength })
  const named = kid === undefined ? {} : { kid }
  return { algorithm, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), ...named, alg: algorithm, use: 'sig', ...jwk } }
}

export const encoded = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

export const nowSeconds = () => Math.floor(Date.now() / 1000)

/** Claims of a caller that may score. */
export function claimsOf(more: object = {}): Record<string, unknown> {
  return { iss: ISSUER, aud: AUDIENCE, sub: 'web-shop', exp: nowSeconds() + 600, roles: ['SCORER'], ...more }
}

/** The signature of these bytes, in the form of JSON Web Algorithms (RFC 7518). */
export function signatureOf(text: string, privateKey: KeyObject, algorithm: SignatureAlgorithm): Buffer {
  const data = Buffer.from(text)
  if (algorithm === 'EdDSA') return sign(null, data, privateKey)
  const hash = `sha${algorithm.slice(2)}`
  if (algorithm.startsWith('ES')) return sign(hash, data, { key: privateKey, dsaEncoding: 'ieee-p1363' })
  if (algorithm.startsWith('RS')) return sign(hash, data, privateKey)
  const saltLength = constants.RSA_PSS_SALTLEN_DIGEST
  return sign(hash, data, { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength })
}

/** A token signed with this key; `claims` and `header` that are strings go in unchanged. */
export function tokenOf(key: IssuerKey, claims: unknown = claimsOf(), header: object | string = {}): string {
  const { kid } = key.jwk
  const shown =
    typeof header === 'string' ? header : { alg: key.algorithm, typ: 'JWT', ...(kid !== undefined && { kid }), ...header }
  const signed = `${encoded(shown)}.${encoded(claims)}`
  return `${signed}.${signatureOf(signed, key.privateKey, key.algorithm).toString('base64url')}`
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export interface TestIssuer extends AsyncDisposable {
  /** The address of its key set. */
  readonly url: string
  /** The keys that it publishes from now on. */
  keys: readonly { readonly jwk: object }[]
  /** While this is set, it answers requests in place of the key set. */
  answer: Answer | undefined
  /** The time of each request, on the clock of `performance`. */
  readonly requests: number[]
  /** Waits until `count` requests have come since the start. */
  asked(count: number): Promise<void>
}

/** Starts an issuer of tokens: a real HTTP server with a key set. */
export async function startIssuer(keys: readonly { readonly jwk: object }[], port = 0): Promise<TestIssuer> {
  const waiting = new Set<() => void>()
  const server = createServer((request, response) => {
    issuer.requests.push(performance.now())
    for (const look of waiting) look()
    if (issuer.answer) return issuer.answer(request, response)
    const body = JSON.stringify({ keys: issuer.keys.map(({ jwk }) => jwk) })
    response.writeHead(200, { 'content-type': 'application/json' }).end(body)
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  const issuer: TestIssuer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/certs`,
    keys,
    answer: undefined,
    requests: [],
    asked: count =>
      new Promise(resolve => {
        const look = () => {
          if (issuer.requests.length < count) return
          waiting.delete(look)
          resolve()
        }
        waiting.add(look)
        look()
      }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return issuer
}
