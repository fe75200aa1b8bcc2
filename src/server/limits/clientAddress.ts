import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import proxyAddress from '@fastify/proxy-addr'
import ipaddr from 'ipaddr.js'
import { elementsFromEnd, type ForwardedHeader, parameterOf } from '../forwarded.js'

// A customer of an IPv6 provider has a network of this size to itself, so a limit on single addresses would limit nobody.
const IPV6_BITS = 64
// An address of IPv4 behind a NAT64 gateway (RFC 6052): all of them are in one network of IPv6.
const NAT64 = ipaddr.IPv6.parseCIDR('64:ff9b::/96')

/** What a trusted proxy sent instead of an address. */
export const UNNAMED = ['missing', 'unknown', 'hidden', 'unreadable'] as const
export type Unnamed = (typeof UNNAMED)[number]

export interface ClientAddressOptions {
  readonly trustedProxies: readonly string[]
  readonly header: ForwardedHeader
  /** Called when a trusted proxy names no client: all of its callers then share the limit of that proxy. */
  readonly unnamed: (why: Unnamed, proxy: string) => void
}

/**
 * Finds the address that a request came from: the last one in the header that is no trusted proxy, else that of the peer. Each proxy
 * appends the address that it saw, so a client can only make up those before. A trusted proxy that names none stands for its clients:
 * what it sent instead is not used, because a client might choose it.
 */
export function clientAddress({ trustedProxies, header, unnamed }: ClientAddressOptions): (request: IncomingMessage) => string {
  if (trustedProxies.length === 0) return ({ socket }) => socket.remoteAddress ?? ''
  const isTrusted = proxyAddress.compile([...trustedProxies])
  return ({ socket, headers }) => {
    let nearest = socket.remoteAddress ?? ''
    if (!isTrusted(nearest, 0)) return nearest
    let isNamed = false
    for (const entry of entriesFromEnd(header, headers)) {
      isNamed = true
      const address = addressIn(entry)
      if (address === undefined) {
        unnamed(kindOf(entry), nearest)
        return nearest
      }
      nearest = address
      if (!isTrusted(address, 0)) return address
    }
    if (!isNamed) unnamed('missing', nearest)
    return nearest
  }
}

/**
 * The key under which an address is counted: an IPv4 address, or the IPv6 network of a customer. What is no address has one key.
 */
export function networkOf(address: string): string {
  const version = isIP(address)
  if (version === 4) return address
  if (version === 0) return 'unknown'
  const parsed = ipaddr.process(address)
  if (parsed instanceof ipaddr.IPv4) return parsed.toString()
  if (parsed.match(NAT64)) return ipaddr.fromByteArray(parsed.toByteArray().slice(-4)).toString()
  return ipaddr.IPv6.networkAddressFromCIDR(`${address.replace(/%.*/, '')}/${IPV6_BITS}`).toString()
}

/** What each proxy wrote, the last one first. Empty entries, which lists may have (RFC 9110, section 5.6.1), are passed over. */
function* entriesFromEnd(header: ForwardedHeader, headers: IncomingMessage['headers']): Generator<string> {
  // Node joins several lines of either with commas.
  const text = [headers[header] ?? ''].flat().join(',')
  if (header === 'forwarded') {
    for (const element of elementsFromEnd(text)) if (element !== '') yield parameterOf(element, 'for') ?? ''
    return
  }
  for (const entry of text.split(',').reverse()) if (entry.trim() !== '') yield entry.trim()
}

/** The address in an entry, which may have a port, brackets, quotes or a zone; undefined where there is none. */
function addressIn(entry: string): string | undefined {
  const text = entry.replace(/^"(.*)"$/, '$1').trim()
  const [, bracketed, , bare = text] = /^(?:\[([^\]]+)\](:[\w.-]+)?|(\d+\.\d+\.\d+\.\d+):[\w.-]+)$/.exec(text) ?? []
  const address = (bracketed ?? bare).replace(/%.*$/, '')
  if (isIP(address) !== 0) return address
  // An address without brackets and a port, as some proxies write them. With a shorter port, a shortened address is one as it stands.
  const [, withoutPort = ''] = /^([\da-f:.]+):\d{1,5}$/i.exec(address) ?? []
  return isIP(withoutPort) === 6 ? withoutPort : undefined
}

function kindOf(entry: string): Unnamed {
  if (/^"?unknown(:|"|$)/i.test(entry)) return 'unknown'
  return /^"?_[\w.-]+/.test(entry) ? 'hidden' : 'unreadable'
}
