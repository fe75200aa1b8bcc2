import type { LookupAddress } from 'node:dns'
import { describe, expect, it } from 'vitest'
import { isPublicAddress } from '../../../src/webhooks/targetAddresses.js'
import { guardedLookup, PrivateAddressError, type TargetRules, targetProblem } from '../../../src/webhooks/webhookTarget.js'

const PUBLIC_ONLY = { mayBePrivate: false }
const LISTED = { mayBePrivate: false, privateNetworks: ['10.1.0.0/16', '192.168.7.7', 'fd12:3456::/32'] }

const REFUSED = [
  'https://127.0.0.1/',
  'https://127.1/',
  'https://0x7f.0.0.1/',
  'https://0x7f000001/',
  'https://2130706433/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://①②⑦.⓪.⓪.①/',
  'https://127.0.0.1./',
  'https://0.0.0.0/',
  'https://0/',
  'https://10.1.2.3/',
  'https://172.16.0.1/',
  'https://192.168.1.1/',
  'https://100.64.0.1/',
  'https://192.0.2.1/',
  'https://198.18.0.1/',
  'https://224.0.0.1/',
  'https://240.0.0.1/',
  'https://255.255.255.255/',
  'https://[::1]/',
  'https://[::]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::ffff:10.0.0.1]/',
  'https://[::127.0.0.1]/',
  'https://[fc00::1]/',
  'https://[fd12:3456::1]/',
  'https://[fec0::1]/',
  'https://[ff02::1]/',
  'https://[64:ff9b::7f00:1]/',
  'https://[64:ff9b:1::1]/',
  'https://[2002:7f00:1::]/',
  'https://[2001:0:1::1]/',
  'https://[2001:db8::1]/',
  'https://[4000::1]/',
  'https://localhost/',
  'https://LOCALHOST./',
  'https://inner.localhost/',
  'https://localhost:8443/',
]

// Not even where private networks are allowed.
const LINK_LOCAL = [
  'https://169.254.169.254/latest/meta-data',
  'http://169.254.170.2/',
  'http://0xa9fea9fe/',
  'http://2852039166/',
  'http://[fe80::1]/',
  'http://[febf::1]/',
  'http://100.100.100.200/',
  'http://192.0.0.192/',
  'http://168.63.129.16/',
  'http://[fd00:ec2::254]/',
  'http://[fd20:ce::254]/',
  'http://[::ffff:169.254.169.254]/',
  'http://[::ffff:a9fe:a9fe]/',
  'http://[::169.254.169.254]/',
  'http://[::ffff:0:169.254.169.254]/',
  'http://[64:ff9b::169.254.169.254]/',
  'http://[64:ff9b:1::6464:64c8]/',
  'http://[2002:a9fe:a9fe::1]/',
  'http://[2002:c000:c0::]/',
  'http://[2001:0:a9fe:a9fe::1]/',
  'http://[2001:0:1::5601:5601]/',
  'http://[fd00::5efe:169.254.169.254]/',
]

const ACCEPTED = [
  'https://example.com/alerts?token=1',
  'https://example.com:8443/',
  'https://8.8.8.8/',
  'https://[2606:4700::1111]/',
  'https://[::ffff:8.8.8.8]/',
  'https://localhost.example.com/',
  'HTTPS://EXAMPLE.COM',
]

const NEVER = [
  'https://user@example.com/',
  'https://user:word@example.com/',
  'https://:word@example.com/',
  'ftp://example.com/',
  'file:///etc/passwd',
  'data:text/plain,x',
  'javascript:alert(1)',
  '/alerts',
  '//example.com/',
  'example.com',
  'https://',
  'https://1.2.3.4.5/',
  'https://[::1',
  '',
  `https://example.com/${'a'.repeat(2_048)}`,
  `https://example.com/${'é'.repeat(500)}`,
  'https://example.com:0/',
  'https://exa\tmple.com/',
  'https://example.com/\u0000',
  ' \u0001https://example.com/',
  'https://example.com/\u202egnp.exe',
  'https://example.com/\u2066a\u2069',
  'https://example\u00ad.com/',
  'https://example.com/\u2028',
]

describe('the address of a webhook', () => {
  it.each(REFUSED)('is refused if it is not public: %s', url => {
    expect(targetProblem(url, PUBLIC_ONLY)).toBe('The URL must lead to a public address.')
    expect(targetProblem(url, { mayBePrivate: true })).toBeUndefined()
  })

  it.each(LINK_LOCAL)('is refused whatever the settings if it is a link-local or metadata address: %s', url => {
    const all = { mayBePrivate: false, privateNetworks: ['0.0.0.0/0', '::/0'] }
    for (const rules of [all, { mayBePrivate: true }, PUBLIC_ONLY]) expect(targetProblem(url, rules)).toMatch(/link-local/)
  })

  it.each<[string, string, string | undefined]>([
    ['in the network', 'https://10.1.2.3/', undefined],
    ['in the network, over plain HTTP', 'http://10.1.2.3:8080/', undefined],
    ['the single address', 'http://192.168.7.7/', undefined],
    ['in the form of IPv6', 'http://[::ffff:10.1.2.3]/', undefined],
    ['in the network of IPv6', 'http://[fd12:3456::1]/', undefined],
    ['a name, which shows at the call', 'http://hooks.internal/', undefined],
    ['outside', 'https://10.2.0.1/', 'The URL must lead to a public address, or to a network that the operator allows.'],
    ['beside the single address', 'http://192.168.7.8/', 'The URL must begin with https://.'],
    ['public', 'https://8.8.8.8/', undefined],
    ['public, over plain HTTP', 'http://8.8.8.8/', 'The URL must begin with https://.'],
  ])('may be private by a list of networks: %s', (_what, url, problem) => {
    expect(targetProblem(url, LISTED)).toBe(problem)
  })

  it.each(['::ffff:10.0.0.0/104', '::ffff:a00:0/104', '::ffff:10.1.2.3'])(
    'may lie in a network in the form of IPv6: %s',
    network => {
      const rules = { mayBePrivate: false, privateNetworks: [network] }
      for (const url of ['http://10.1.2.3/', 'http://[::ffff:10.1.2.3]/']) expect(targetProblem(url, rules)).toBeUndefined()
      expect(targetProblem('https://11.1.2.3/', rules)).toBeUndefined()
      expect(targetProblem('https://192.168.1.1/', rules)).toMatch(/public address/)
    },
  )

  it.each(ACCEPTED)('is accepted if it is public: %s', url => {
    expect(targetProblem(url, PUBLIC_ONLY)).toBeUndefined()
  })

  it.each(NEVER)('is refused in any case: %s', url => {
    for (const mayBePrivate of [true, false]) {
      const problem = targetProblem(url, { mayBePrivate })
      expect(problem).toMatch(/^The URL .*\.$/)
      if (url.length > 8) expect(problem).not.toContain(url)
    }
  })

  it('may be plain HTTP only if private addresses are allowed', () => {
    expect(targetProblem('http://example.com/', PUBLIC_ONLY)).toMatch(/https/)
    expect(targetProblem('http://example.com/', { mayBePrivate: true })).toBeUndefined()
  })
})

interface LookUp extends Partial<TargetRules> {
  readonly all?: boolean
  readonly isEncrypted?: boolean
}

function lookUp(addresses: LookupAddress[], { all = true, isEncrypted = true, ...rules }: LookUp = {}) {
  const lookup = guardedLookup({ mayBePrivate: false, ...rules, resolve: async () => addresses }, isEncrypted)
  return new Promise((resolve, reject) => {
    lookup('endpoint.example', { all }, (error, address, family) =>
      error ? reject(error) : resolve(all ? address : [address, family]),
    )
  })
}

const PUBLIC: LookupAddress = { address: '93.184.216.34', family: 4 }
const LOOPBACK: LookupAddress = { address: '127.0.0.1', family: 4 }

describe('the lookup for calls', () => {
  it('returns public addresses, in the requested form', async () => {
    expect(await lookUp([PUBLIC])).toEqual([PUBLIC])
    expect(await lookUp([PUBLIC], { all: false })).toEqual([PUBLIC.address, 4])
  })

  it.each([
    ['a loopback address', [LOOPBACK]],
    ['a loopback address behind a public one', [PUBLIC, LOOPBACK]],
    ['a private address in IPv6 form', [{ address: '::ffff:10.0.0.1', family: 6 }]],
    ['no address', []],
  ])('refuses a name that leads to %s', async (_what, addresses) => {
    for (const all of [true, false]) await expect(lookUp(addresses, { all })).rejects.toBeInstanceOf(PrivateAddressError)
  })

  it.each<[string, LookupAddress[], boolean, boolean]>([
    ['a listed address over plain HTTP', [{ address: '10.1.2.3', family: 4 }], false, true],
    ['a listed address over HTTPS', [{ address: '10.1.2.3', family: 4 }], true, true],
    ['a public address over HTTPS', [PUBLIC], true, true],
    ['a public address over plain HTTP', [PUBLIC], false, false],
    ['a listed and a public address over plain HTTP', [{ address: '10.1.2.3', family: 4 }, PUBLIC], false, false],
    ['another private address', [{ address: '10.2.2.3', family: 4 }], true, false],
    ['a link-local address with its zone', [{ address: 'fe80::1%eth0', family: 6 }], true, false],
    ['the metadata of a cloud', [{ address: '169.254.169.254', family: 4 }], true, false],
    ['the metadata of a cloud behind NAT64', [{ address: '64:ff9b::a9fe:a9fe', family: 6 }], true, false],
  ])('with a list of networks, for %s', async (_what, addresses, isEncrypted, isAllowed) => {
    const asked = lookUp(addresses, { ...LISTED, isEncrypted })
    await (isAllowed ? expect(asked).resolves.toEqual(addresses) : expect(asked).rejects.toBeInstanceOf(PrivateAddressError))
  })

  it('never returns a metadata address, even if private addresses are allowed', async () => {
    const asked = lookUp([{ address: 'fd00:ec2::254', family: 6 }], { mayBePrivate: true })
    await expect(asked).rejects.toBeInstanceOf(PrivateAddressError)
  })

  it.each([true, false])('says of a metadata address that it is never called, with and without TLS: %s', async isEncrypted => {
    const asked = lookUp([PUBLIC, { address: '169.254.169.254', family: 4 }], { isEncrypted })
    await expect(asked).rejects.toThrow(/leads to a link-local address or to the metadata of a cloud, which are never called\.$/)
  })

  it('returns all addresses if private addresses are allowed', async () => {
    expect(await lookUp([PUBLIC, LOOPBACK], { mayBePrivate: true })).toEqual([PUBLIC, LOOPBACK])
  })

  it('passes on the error for an unknown name', async () => {
    const error = Object.assign(new Error('no such name'), { code: 'ENOTFOUND' })
    const lookup = guardedLookup({ mayBePrivate: false, resolve: () => Promise.reject(error) }, true)
    expect(await new Promise(resolve => lookup('gone.example', {}, resolve))).toBe(error)
  })

  it('distinguishes the metadata address of a cloud from a public one', () => {
    expect([isPublicAddress('169.254.169.254'), isPublicAddress('8.8.8.8')]).toEqual([false, true])
  })
})
