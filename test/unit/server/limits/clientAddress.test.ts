import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { ForwardedHeader } from '../../../../src/server/forwarded.js'
import { clientAddress, networkOf } from '../../../../src/server/limits/clientAddress.js'

/** A request from a peer, with its header about the client. */
function from(peer: string, forwarded?: string, header: ForwardedHeader = 'x-forwarded-for'): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const request = new IncomingMessage(socket)
  if (forwarded !== undefined) request.headers[header] = forwarded
  return request
}

const told: string[] = []
const addressOf = (trustedProxies: readonly string[], header: ForwardedHeader = 'x-forwarded-for') => {
  told.length = 0
  return clientAddress({ trustedProxies, header, unnamed: (why, proxy) => told.push(`${why} by ${proxy}`) })
}

it.each([
  ['no proxy is trusted', [], '10.0.0.1', '203.0.113.7', '10.0.0.1'],
  ['the peer is not a trusted proxy', ['10.0.0.0/8'], '192.0.2.1', '203.0.113.7', '192.0.2.1'],
  ['the peer is trusted', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['the client sends made-up addresses before its own', ['10.0.0.0/8'], '10.0.0.1', '198.51.100.9, 203.0.113.7', '203.0.113.7'],
  ['the client claims to be a proxy', ['10.0.0.0/8'], '10.0.0.1', '10.9.9.9, 203.0.113.7', '203.0.113.7'],
  ['there are two proxies', ['10.0.0.0/8', '192.0.2.5'], '10.0.0.1', '203.0.113.7, 192.0.2.5', '203.0.113.7'],
  ['the inner proxy writes a port', ['10.0.0.0/8', '192.0.2.5'], '10.0.0.1', '203.0.113.7:99, 192.0.2.5:4711', '203.0.113.7'],
  ['the peer is an IPv4 address in IPv6 form', ['10.0.0.0/8'], '::ffff:10.0.0.1', '203.0.113.7', '203.0.113.7'],
])('the address of a client, when %s', (_when, trusted, peer, forwarded, address) => {
  expect(addressOf(trusted)(from(peer, forwarded))).toBe(address)
  expect(told).toEqual([])
})

describe('an address in X-Forwarded-For', () => {
  it.each([
    ['with a port, as from Azure', '203.0.113.7:4711', '203.0.113.7'],
    ['in brackets with a port', '[2001:db8::1]:4711', '2001:db8::1'],
    ['in brackets', '[2001:DB8::1]', '2001:DB8::1'],
    ['in quotes', '"203.0.113.7"', '203.0.113.7'],
    ['in quotes and brackets, with a port', '"[2001:db8::1]:4711"', '2001:db8::1'],
    ['with a zone', 'fe80::1%eth0', 'fe80::1'],
    ['in brackets, with an encoded zone and a port', '[fe80::1%25eth0]:80', 'fe80::1'],
    ['of IPv4 in the form of IPv6', '[::ffff:203.0.113.7]:80', '::ffff:203.0.113.7'],
    ['of eight groups and a port without brackets', '2001:db8:1:2:3:4:5:6:4711', '2001:db8:1:2:3:4:5:6'],
    ['of fewer groups and a port of five digits without brackets', '2001:db8::1:51234', '2001:db8::1'],
    ['that ends in zeros, and a port of five digits without brackets', '2001:db8:::51234', '2001:db8::'],
    ['of IPv4 in the form of IPv6 and a port without brackets', '::ffff:203.0.113.7:4711', '::ffff:203.0.113.7'],
    ['with an obfuscated port', '203.0.113.7:_p', '203.0.113.7'],
    ['between empty entries', ' , 203.0.113.7 ,, ', '203.0.113.7'],
    ['after a made-up one with a port', '198.51.100.9:1, 203.0.113.7:2', '203.0.113.7'],
  ])('%s is read', (_what, forwarded, address) => {
    expect(addressOf(['10.0.0.1'])(from('10.0.0.1', forwarded))).toBe(address)
    expect(told).toEqual([])
  })

  it.each([
    ['is missing', undefined, 'missing'],
    ['is empty', ' , ', 'missing'],
    ['is unknown', '198.51.100.9, unknown', 'unknown'],
    ['is hidden', '198.51.100.9, _hidden', 'hidden'],
    ['is a name', '198.51.100.9, web-7', 'unreadable'],
    ['has four parts that are none', '300.1.1.1', 'unreadable'],
    ['has leading zeros', '010.0.0.1', 'unreadable'],
    ['has nine groups in a shortened form', '1:2:3:4::5:6:7:8:51234', 'unreadable'],
    ['has a port of six digits', '2001:db8::1:512345', 'unreadable'],
    ['has a bracket too few', '[2001:db8::1', 'unreadable'],
    ['is a very long text', `[${'1'.repeat(16_000)}`, 'unreadable'],
  ])('that %s is never guessed: the proxy stands for its clients, and it is told', (_what, forwarded, why) => {
    expect(addressOf(['10.0.0.1'])(from('10.0.0.1', forwarded))).toBe('10.0.0.1')
    expect(told).toEqual([`${why} by 10.0.0.1`])
  })

  it('that the inner of two proxies does not name counts as that of the inner proxy', () => {
    expect(addressOf(['10.0.0.1', '10.0.0.2'])(from('10.0.0.1', '203.0.113.7, unknown, 10.0.0.2'))).toBe('10.0.0.2')
    expect(told).toEqual(['unknown by 10.0.0.2'])
  })
})

describe('an address in Forwarded', () => {
  it.each([
    ['alone', 'for=203.0.113.7', '203.0.113.7'],
    ['among other parameters, whatever their case', 'by=10.0.0.1; Proto=https ;FOR=203.0.113.7;host=a', '203.0.113.7'],
    ['of IPv6 with a port', 'for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['with an escaped character', 'for="203.0.113.\\7"', '203.0.113.7'],
    ['of the last element', 'for=198.51.100.9, for=203.0.113.7;proto=https', '203.0.113.7'],
    ['beside a quoted comma', 'for=198.51.100.9, for=203.0.113.7;ext="a, for=192.0.2.1"', '203.0.113.7'],
    ['beside an escaped quote', 'for=198.51.100.9, for=203.0.113.7;ext="a\\", for=192.0.2.1"', '203.0.113.7'],
    ['after a quote that a client has begun', 'for="198.51.100.9, for="[2001:db8::1]:4711"', '2001:db8::1'],
    ['after a quote that a client has begun, without one of its own', 'for=198.51.100.9;x="y, for=203.0.113.7', '203.0.113.7'],
    ['after a trusted proxy', 'for=203.0.113.7, for=10.0.0.1', '203.0.113.7'],
    ['between empty elements', ', for=203.0.113.7, ,', '203.0.113.7'],
  ])('%s is read', (_what, forwarded, address) => {
    expect(addressOf(['10.0.0.1'], 'forwarded')(from('10.0.0.1', forwarded, 'forwarded'))).toBe(address)
    expect(told).toEqual([])
  })

  it.each([
    ['is unknown', 'for=198.51.100.9, for=unknown', 'unknown'],
    ['is hidden', 'for=198.51.100.9, for="_gazonk:80"', 'hidden'],
    ['is not named', 'for=198.51.100.9, proto=https', 'unreadable'],
    ['is named twice', 'for=198.51.100.9;for=203.0.113.7', 'unreadable'],
    ['is very long', `for="${' '.repeat(15_000)}`, 'unreadable'],
    ['has fifteen thousand backslashes', `for="${'\\'.repeat(15_000)}"`, 'unreadable'],
  ])('that %s is never guessed', (_what, forwarded, why) => {
    expect(addressOf(['10.0.0.1'], 'forwarded')(from('10.0.0.1', forwarded, 'forwarded'))).toBe('10.0.0.1')
    expect(told).toEqual([`${why} by 10.0.0.1`])
  })

  it('counts alone: the header that the settings do not name is a client’s', () => {
    const both = from('10.0.0.1', 'for=203.0.113.7', 'forwarded')
    both.headers['x-forwarded-for'] = '198.51.100.9'
    expect(addressOf(['10.0.0.1'], 'forwarded')(both)).toBe('203.0.113.7')
    expect(addressOf(['10.0.0.1'])(both)).toBe('198.51.100.9')
  })
})

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
  ['64:ff9b::203.0.113.7', '203.0.113.7'],
  ['64:ff9b::203.0.113.8', '203.0.113.8'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
  ['2001:DB8:1:2:ffff::1', '2001:db8:1:2::'],
  ['2001:db8:1:3::1', '2001:db8:1:3::'],
  ['fe80::1%eth0', 'fe80::'],
  ['::1', '::'],
  ['unknown', 'unknown'],
  ['203.0.113.7:4711', 'unknown'],
  ['<script>', 'unknown'],
  ['', 'unknown'],
])('%s counts as %s', (address, network) => {
  expect(networkOf(address)).toBe(network)
})
