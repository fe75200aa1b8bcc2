import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** The addresses of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>

export interface TargetRules {
  /** Private and loopback addresses and plain HTTP too. */
  readonly mayBePrivate: boolean
  readonly resolve?: ResolveHost
}

/** The address that a name has led to is not public. */
export class PrivateAddressError extends Error {}

const MAX_URL_LENGTH = 2_048
// All public unicast addresses of IPv6 so far. What lies outside may hold an IPv4 address of an inner network.
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/** Why a webhook must not go to this URL, in a sentence that does not repeat it; undefined when nothing in its text is against it. */
export function targetProblem(text: string, { mayBePrivate }: TargetRules): string | undefined {
  if (text.length > MAX_URL_LENGTH) return `The URL is longer than ${MAX_URL_LENGTH} characters.`
  // The parser brings every spelling of an IPv4 address (hexadecimal, octal, one number, full-width digits) into the usual one.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !(url.protocol === 'https:' || url.protocol === 'http:'))
    return 'The URL must be an absolute one and begin with https://.'
  if (url.username !== '' || url.password !== '') return 'The URL must hold no user name or password.'
  if (mayBePrivate) return undefined
  if (url.protocol !== 'https:') return 'The URL must begin with https://.'
  const hostname = withoutBrackets(url.hostname)
  if (isIP(hostname) !== 0 && !isPublicAddress(hostname)) return 'The URL must lead to a public address.'
  if (/(^|\.)localhost\.?$/.test(hostname)) return 'The URL must lead to a public address.'
  return undefined
}

/** Whether an IP address is a public unicast one. */
export function isPublicAddress(address: string): boolean {
  // An IPv4 address in IPv6's clothes counts as what it is.
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(PUBLIC_IPV6)
}

/**
 * A lookup for sockets that gives out public addresses only. The socket connects to what was checked, so that a name which leads
 * elsewhere a moment later gets nowhere.
 */
export function guardedLookup({ mayBePrivate, resolve = resolveBySystem }: TargetRules): LookupFunction {
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      addresses => {
        const [first] = addresses
        if (!first || !(mayBePrivate || addresses.every(({ address }) => isPublicAddress(address)))) {
          return callback(new PrivateAddressError(), '')
        }
        if (all) callback(null, [...addresses])
        else callback(null, first.address, first.family)
      },
      (error: NodeJS.ErrnoException) => callback(error, ''),
    )
  }
}

function resolveBySystem(hostname: string): Promise<LookupAddress[]> {
  return systemLookup(hostname, { all: true })
}

function withoutBrackets(hostname: string): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname
}
