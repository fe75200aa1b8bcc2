import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { expect, it } from 'vitest'
import { clientAddress, networkOf } from '../../../../src/server/limits/clientAddress.js'

/** A request from a peer, with its X-Forwarded-For header. */
function from(peer: string, forwarded?: string): IncomingMessage {
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: peer })
  const request = new IncomingMessage(socket)
  if (forwarded !== undefined) request.headers['x-forwarded-for'] = forwarded
  return request
}

it.each([
  ['no proxy is trusted', [], '10.0.0.1', '203.0.113.7', '10.0.0.1'],
  ['the peer is not a trusted proxy', ['10.0.0.0/8'], '192.0.2.1', '203.0.113.7', '192.0.2.1'],
  ['the peer is trusted', ['10.0.0.0/8'], '10.0.0.1', '203.0.113.7', '203.0.113.7'],
  ['the client sends made-up addresses before its own', ['10.0.0.0/8'], '10.0.0.1', '198.51.100.9, 203.0.113.7', '203.0.113.7'],
  ['the client claims to be a proxy', ['10.0.0.0/8'], '10.0.0.1', '10.9.9.9, 203.0.113.7', '203.0.113.7'],
  ['there are two proxies', ['10.0.0.0/8', '192.0.2.5'], '10.0.0.1', '203.0.113.7, 192.0.2.5', '203.0.113.7'],
  ['the proxy sends no header', ['10.0.0.0/8'], '10.0.0.1', undefined, '10.0.0.1'],
  ['the peer is an IPv4 address in IPv6 form', ['10.0.0.0/8'], '::ffff:10.0.0.1', '203.0.113.7', '203.0.113.7'],
])('the address of a client, when %s', (_when, trusted, peer, forwarded, address) => {
  expect(clientAddress(trusted)(from(peer, forwarded))).toBe(address)
})

it.each([
  ['203.0.113.7', '203.0.113.7'],
  ['::ffff:203.0.113.7', '203.0.113.7'],
  ['::ffff:cb00:7107', '203.0.113.7'],
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
