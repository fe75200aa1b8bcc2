import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'

/** The addresses of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>

export interface TargetRules {
  /** Allows private and loopback addresses, and plain HTTP. */
  readonly mayBePrivate: boolean
  readonly resolve?: ResolveHost
}

/** A host name has led to an address that is not public. */
export class PrivateAddressError extends Error {}

const MAX_URL_LENGTH = 2_048
// The parser drops some of these without a word, and direction marks make an address read as another one.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
// All public unicast addresses of IPv6 so far. An address outside may hold an IPv4 address of an internal network.
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

/** Why a webhook must not call this URL, in a sentence that does not repeat it; undefined when its text breaks no rule. */
export function targetProblem(text: string, { mayBePrivate }: TargetRules): string | undefined {
  if (UNSEEN.test(text)) return 'The URL contains a control character or a direction mark. Remove it.'
  // The parser brings every spelling of an IPv4 address (hexadecimal, octal, one number, full-width digits) into the usual one.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !(url.protocol === 'https:' || url.protocol === 'http:')) return 'The URL must be absolute and begin with https://.'
  if (text.length > MAX_URL_LENGTH || url.href.length > MAX_URL_LENGTH)
    return `The URL is longer than ${MAX_URL_LENGTH} characters.`
  if (url.port === '0') return 'The URL names port 0, which nobody can call. Name another port.'
  if (url.username !== '' || url.password !== '') return 'The URL must not contain a user name or password.'
  if (mayBePrivate) return undefined
  if (url.protocol !== 'https:') return 'The URL must begin with https://.'
  const hostname = withoutBrackets(url.hostname)
  if (isIP(hostname) !== 0 && !isPublicAddress(hostname)) return 'The URL must lead to a public address.'
  if (/(^|\.)localhost\.?$/.test(hostname)) return 'The URL must lead to a public address.'
  return undefined
}

/** Whether an IP address is a public unicast one. */
export function isPublicAddress(address: string): boolean {
  // An IPv4 address that is written as an IPv6 one counts as IPv4.
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(PUBLIC_IPV6)
}

/**
 * A lookup for sockets that returns public addresses only. The socket connects to the address that was checked: it does not
 * matter when the name leads elsewhere a moment later.
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
