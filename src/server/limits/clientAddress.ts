import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import proxyAddress from '@fastify/proxy-addr'
import ipaddr from 'ipaddr.js'

// What one customer of an IPv6 provider has to itself: a limit of single addresses would be none.
const IPV6_BITS = 64

/** Whence a request came: the last address of X-Forwarded-For that no trusted proxy stands for; without one that of the peer. */
export function clientAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const isTrusted = proxyAddress.compile([...trustedProxies])
  return request => (trustedProxies.length === 0 ? (request.socket.remoteAddress ?? '') : proxyAddress(request, isTrusted))
}

/** Addresses that count as one: an IPv4 address, or an IPv6 network of a customer. What a proxy sent that is no address is one too. */
export function networkOf(address: string): string {
  const version = isIP(address)
  if (version === 4) return address
  if (version === 0) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.replace(/%.*/, '')}/${IPV6_BITS}`).toString()
}
