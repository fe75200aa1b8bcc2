import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import proxyAddress from '@fastify/proxy-addr'
import ipaddr from 'ipaddr.js'

// A customer of an IPv6 provider has a network of this size to itself, so a limit on single addresses would limit nobody.
const IPV6_BITS = 64

/**
 * Finds the address that a request came from: the last one in X-Forwarded-For that is no trusted proxy, else that of the peer.
 */
export function clientAddress(trustedProxies: readonly string[]): (request: IncomingMessage) => string {
  const isTrusted = proxyAddress.compile([...trustedProxies])
  return request => (trustedProxies.length === 0 ? (request.socket.remoteAddress ?? '') : proxyAddress(request, isTrusted))
}

/**
 * The key under which an address is counted: an IPv4 address, or the IPv6 network of a customer. All values from a proxy that are
 * no address share one key.
 */
export function networkOf(address: string): string {
  const version = isIP(address)
  if (version === 4) return address
  if (version === 0) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed.kind() === 'ipv4') return parsed.toString()
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.replace(/%.*/, '')}/${IPV6_BITS}`).toString()
}
