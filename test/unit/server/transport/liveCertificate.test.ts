import { createPrivateKey } from 'node:crypto'
import { rm, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConfigError } from '../../../../src/errors.js'
import { checkPair } from '../../../../src/server/transport/certificate.js'
import { LiveCertificate } from '../../../../src/server/transport/liveCertificate.js'
import { type MountedSecret, makePair, mountSecret, type TestPair } from '../../../support/certificates.js'
import { until } from '../../../support/process.js'

const DAY_MS = 86_400_000
const NOW = new Date()

let pair: TestPair
let other: TestPair
beforeAll(async () => {
  pair = await makePair()
  other = await makePair()
})

const encrypted = (type: 'pkcs8' | 'sec1') =>
  createPrivateKey(pair.key).export({ format: 'pem', type, cipher: 'aes-128-cbc', passphrase: 'x' }).toString()

const problemOf = (given: TestPair) => {
  const checked = checkPair(given, NOW)
  return 'problem' in checked ? checked.problem : undefined
}

describe('a certificate with its key', () => {
  it('is accepted, and its expiry is read', () => {
    const checked = checkPair(pair, NOW)
    if ('problem' in checked) throw new Error(checked.problem)
    const days = (checked.expiresAt.getTime() - NOW.getTime()) / DAY_MS
    expect(days).toBeGreaterThan(89)
    expect(days).toBeLessThan(91)
  })

  it('is accepted with the rest of its chain, in the order that TLS requires', async () => {
    expect(problemOf({ cert: pair.cert + other.cert, key: pair.key })).toBeUndefined()
    expect(problemOf({ cert: other.cert + pair.cert, key: pair.key })).toMatch(/^RISKGATE_TLS_KEY_FILE is not the key/)
  })

  it.each<[string, () => TestPair, string]>([
    ['an empty certificate', () => ({ ...pair, cert: '' }), 'RISKGATE_TLS_CERT_FILE holds no certificate in PEM form.'],
    [
      'garbage as a certificate',
      () => ({ ...pair, cert: 'garbage' }),
      'RISKGATE_TLS_CERT_FILE holds no certificate in PEM form.',
    ],
    [
      'its key in place of a certificate',
      () => ({ ...pair, cert: pair.key }),
      'RISKGATE_TLS_CERT_FILE holds no certificate in PEM form.',
    ],
    [
      'a truncated certificate',
      () => ({ ...pair, cert: pair.cert.slice(0, 200) }),
      'RISKGATE_TLS_CERT_FILE holds no certificate in PEM form.',
    ],
    ['an empty key', () => ({ ...pair, key: '' }), 'RISKGATE_TLS_KEY_FILE holds no private key in PEM form.'],
    ['garbage as a key', () => ({ ...pair, key: 'garbage' }), 'RISKGATE_TLS_KEY_FILE holds no private key in PEM form.'],
    ['the certificate as a key', () => ({ ...pair, key: pair.cert }), 'RISKGATE_TLS_KEY_FILE holds no private key in PEM form.'],
    [
      'another key',
      () => ({ ...pair, key: other.key }),
      'RISKGATE_TLS_KEY_FILE is not the key of the certificate; the first certificate of RISKGATE_TLS_CERT_FILE must be that of this server.',
    ],
    [
      'an encrypted key',
      () => ({ ...pair, key: encrypted('pkcs8') }),
      'RISKGATE_TLS_KEY_FILE holds an encrypted key: store it without a passphrase.',
    ],
    [
      'an encrypted key of the old form',
      () => ({ ...pair, key: encrypted('sec1') }),
      'RISKGATE_TLS_KEY_FILE holds an encrypted key: store it without a passphrase.',
    ],
    [
      'a broken chain',
      () => ({ ...pair, cert: `${pair.cert}${other.cert.slice(0, 200)}\n-----END CERTIFICATE-----\n` }),
      'RISKGATE_TLS_CERT_FILE and RISKGATE_TLS_KEY_FILE hold a pair that TLS cannot use.',
    ],
  ])('is refused with %s', (_what, given, problem) => {
    expect(problemOf(given())).toBe(problem)
  })

  it('is refused before it is valid and after it has expired', async () => {
    const day = (offset: number) => new Date(NOW.getTime() + offset * DAY_MS).toISOString().slice(0, 10)
    const past = await makePair({ fromDays: -10, validDays: -2 })
    const future = await makePair({ fromDays: 2, validDays: 10 })
    expect(problemOf(past)).toBe(`RISKGATE_TLS_CERT_FILE holds a certificate that expired on ${day(-2)}.`)
    expect(problemOf(future)).toBe(`RISKGATE_TLS_CERT_FILE holds a certificate that is valid from ${day(2)} on.`)
  })
})

describe('a live certificate', () => {
  const secrets: MountedSecret[] = []
  afterAll(async () => {
    for (const secret of secrets) await secret[Symbol.asyncDispose]()
  })

  async function follow(first: TestPair, now?: () => Date) {
    const secret = await mountSecret(first)
    secrets.push(secret)
    const events: string[] = []
    const certificate = new LiveCertificate({
      certFile: secret.certFile,
      keyFile: secret.keyFile,
      loaded: expiresAt => events.push(`loaded until ${expiresAt.toISOString()}`),
      refused: problem => events.push(problem),
      expiresSoon: () => events.push('expires soon'),
      ...(now && { now }),
      checkEveryMs: 5,
    })
    return { secret, events, certificate, [Symbol.dispose]: () => certificate.stop() }
  }

  it('reports its expiry once it is loaded', async () => {
    using followed = await follow(pair)
    expect(followed.events).toEqual([`loaded until ${followed.certificate.current.expiresAt.toISOString()}`])
  })

  it('cannot start with missing or unusable files', async () => {
    const secret = await mountSecret(pair)
    await rm(secret.keyFile)
    const never = () => {
      throw new Error('unexpected report')
    }
    const begin = () => new LiveCertificate({ ...secret, loaded: never, refused: never, expiresSoon: never })
    expect(begin).toThrow(new ConfigError(['RISKGATE_TLS_KEY_FILE names a file that cannot be read (ENOENT).']))
    await writeFile(secret.keyFile, 'garbage')
    expect(begin).toThrow(new ConfigError(['RISKGATE_TLS_KEY_FILE holds no private key in PEM form.']))
    await secret[Symbol.asyncDispose]()
  })

  it('warns once a day from fourteen days before it expires', async () => {
    let today = new Date(NOW.getTime() + 70 * DAY_MS)
    using followed = await follow(pair, () => today)
    const { events } = followed
    expect(events).toHaveLength(1)
    const days = async (later: number, warnings: number) => {
      today = new Date(NOW.getTime() + later * DAY_MS)
      await until(() => events.length > warnings)
      await new Promise(resolve => setTimeout(resolve, 50))
      expect(events.slice(1)).toEqual(Array.from({ length: warnings }, () => 'expires soon'))
    }
    await days(77, 1)
    await days(78, 2)
  })

  it('stays in use while new files cannot be read or used, reports each problem once, and changes when they can', async () => {
    using followed = await follow(pair)
    const { events, secret, certificate } = followed
    await secret.swap({ cert: other.cert, key: 'garbage' })
    await until(() => events.length > 1)
    await rm(secret.keyFile)
    await until(() => events.length > 2)
    expect(events.slice(1)).toEqual([
      'RISKGATE_TLS_KEY_FILE holds no private key in PEM form.',
      'The files of the TLS certificate cannot be read (ENOENT).',
    ])
    expect(certificate.current.cert).toBe(pair.cert)
    await writeFile(secret.keyFile, other.key)
    await until(() => certificate.current.cert === other.cert)
    expect(events).toHaveLength(4)
  })
})
