import type { LookupAddress } from 'node:dns'
import { lookup as systemLookup } from 'node:dns/promises'
import { isIP, type LookupFunction } from 'node:net'
import { isNeverCalled, isPublicAddress, isWithin } from './targetAddresses.js'

/** The addresses of a host name. */
export type ResolveHost = (hostname: string) => Promise<readonly LookupAddress[]>

export interface TargetRules {
  /** Allows all private and loopback addresses, and plain HTTP. */
  readonly mayBePrivate: boolean
  /** Networks that are allowed, too: over plain HTTP as well. */
  readonly privateNetworks?: readonly string[]
  readonly resolve?: ResolveHost
}

/** A host name has led to an address that may not be called. The message is a sentence for the owner of the webhook. */
export class PrivateAddressError extends Error {}

const MAX_URL_LENGTH = 2_048
// The parser drops some of these without a word, and direction marks make an address read as another one.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const NOT_PUBLIC = 'The URL must lead to a public address.'
const LED_ASTRAY = "The endpoint's name does not lead to a public address."
const LED_OUTSIDE = "The endpoint's name leads to an address that plain HTTP may not go to. Use https://."
const LED_NEVER = "The endpoint's name leads to a link-local address or to the metadata of a cloud, which are never called."
const NOT_ALLOWED = 'The URL must lead to a public address, or to a network that the operator allows.'

/** Why a webhook must not call this URL, in a sentence that does not repeat it; undefined when its text breaks no rule. */
export function targetProblem(text: string, rules: TargetRules): string | undefined {
  if (UNSEEN.test(text)) return 'The URL contains a control character or a direction mark. Remove it.'
  // The parser brings every spelling of an IPv4 address (hexadecimal, octal, one number, full-width digits) into the usual one.
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || !(url.protocol === 'https:' || url.protocol === 'http:')) return 'The URL must be absolute and begin with https://.'
  if (text.length > MAX_URL_LENGTH || url.href.length > MAX_URL_LENGTH)
    return `The URL is longer than ${MAX_URL_LENGTH} characters.`
  if (url.port === '0') return 'The URL names port 0, which nobody can call. Name another port.'
  if (url.username !== '' || url.password !== '') return 'The URL must not contain a user name or password.'
  return placeProblem(url, rules)
}

/** What is wrong with where a URL leads, as far as its text tells. Where a name leads shows at each call. */
function placeProblem({ protocol, hostname: host }: URL, rules: TargetRules): string | undefined {
  const { mayBePrivate, privateNetworks = [] } = rules
  const address = withoutBrackets(host)
  if (isIP(address) !== 0) {
    if (isNeverCalled(address)) return 'The URL must not lead to a link-local address or to the metadata of a cloud.'
    if (mayBePrivate || isWithin(address, privateNetworks)) return undefined
    if (protocol !== 'https:') return 'The URL must begin with https://.'
    if (isPublicAddress(address)) return undefined
    return privateNetworks.length > 0 ? NOT_ALLOWED : NOT_PUBLIC
  }
  if (mayBePrivate || privateNetworks.length > 0) return undefined
  if (protocol !== 'https:') return 'The URL must begin with https://.'
  return /(^|\.)localhost\.?$/.test(host) ? NOT_PUBLIC : undefined
}

/** Whether a call may connect to this address. */
function isAllowed(address: string, { mayBePrivate, privateNetworks = [] }: TargetRules, isEncrypted: boolean): boolean {
  if (isNeverCalled(address)) return false
  return mayBePrivate || isWithin(address, privateNetworks) || (isEncrypted && isPublicAddress(address))
}

/**
 * A lookup for sockets that returns only addresses that may be called: over plain HTTP, those of the networks that are allowed. The socket
 * connects to the address that was checked: it does not matter when the name leads elsewhere a moment later.
 */
export function guardedLookup(rules: TargetRules, isEncrypted: boolean): LookupFunction {
  const { resolve = resolveBySystem } = rules
  return (hostname, { all }, callback) => {
    resolve(hostname).then(
      addresses => {
        const [first] = addresses
        if (addresses.some(({ address }) => isNeverCalled(address))) return callback(new PrivateAddressError(LED_NEVER), '')
        if (!first || !addresses.every(({ address }) => isAllowed(address, rules, isEncrypted))) {
          return callback(new PrivateAddressError(isEncrypted ? LED_ASTRAY : LED_OUTSIDE), '')
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
