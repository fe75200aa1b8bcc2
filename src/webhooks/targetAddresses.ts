import ipaddr from 'ipaddr.js'

type Address = ipaddr.IPv4 | ipaddr.IPv6
type Range = [Address, number]

// All public unicast addresses of IPv6 so far. An address outside may hold an IPv4 address of an internal network.
const PUBLIC_IPV6 = ipaddr.IPv6.parseCIDR('2000::/3')

// Where clouds give machines their credentials and settings, and what reaches neighbours on the same wire. No setting opens them.
const NEVER: readonly Range[] = [
  '169.254.0.0/16',
  'fe80::/10',
  // Alibaba, Oracle, Azure.
  '100.100.100.200/32',
  '192.0.0.192/32',
  '168.63.129.16/32',
  // AWS, Google.
  'fd00:ec2::/32',
  'fd20:ce::254/128',
].map(range => ipaddr.parseCIDR(range))

// Where an address of IPv6 holds one of IPv4, by its first byte (RFC 4291, 6052, 8215, 3056, 4380, 5214).
const EMBEDDED: readonly (readonly [range: [ipaddr.IPv6, number], at: number])[] = [
  [ipaddr.IPv6.parseCIDR('::/96'), 12],
  [ipaddr.IPv6.parseCIDR('::ffff:0:0:0/96'), 12],
  [ipaddr.IPv6.parseCIDR('64:ff9b::/96'), 12],
  [ipaddr.IPv6.parseCIDR('64:ff9b:1::/48'), 12],
  [ipaddr.IPv6.parseCIDR('2002::/16'), 2],
  [ipaddr.IPv6.parseCIDR('2001::/32'), 4],
]
const TEREDO = ipaddr.IPv6.parseCIDR('2001::/32')
const ISATAP = 0x5efe
// What stands before an IPv4 address that is written as an IPv6 one (RFC 4291).
const MAPPED_BITS = 96

/** Whether an IP address is a public unicast one. */
export function isPublicAddress(address: string): boolean {
  // An IPv4 address that is written as an IPv6 one counts as IPv4.
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast' || isNever(parsed)) return false
  return parsed instanceof ipaddr.IPv4 || parsed.match(PUBLIC_IPV6)
}

/** Whether an address is a link-local or a metadata one, in whatever form. */
export function isNeverCalled(address: string): boolean {
  const parsed = ipaddr.process(address)
  return isNever(parsed) || (parsed instanceof ipaddr.IPv6 && embeddedIn(parsed).some(isNever))
}

/** Whether an address lies in one of the networks, which may also be single addresses. */
export function isWithin(address: string, networks: readonly string[]): boolean {
  const parsed = ipaddr.process(address)
  return networks.some(network => isIn(parsed, rangeOf(network)))
}

/** Whether all addresses of a network are link-local or metadata ones, so that allowing it has no effect. */
export function isNeverCalledNetwork(network: string): boolean {
  const [first, bits] = rangeOf(network)
  return NEVER.some(range => bits >= range[1] && isIn(first, range))
}

/** An IPv4 network that is written as an IPv6 one counts as IPv4, as its addresses do. */
function rangeOf(network: string): Range {
  const [text = '', given] = network.split('/')
  const first = ipaddr.parse(text)
  const bits = given === undefined ? first.toByteArray().length * 8 : Number(given)
  const isMapped = first instanceof ipaddr.IPv6 && first.isIPv4MappedAddress() && bits >= MAPPED_BITS
  return isMapped ? [first.toIPv4Address(), bits - MAPPED_BITS] : [first, bits]
}

function isNever(address: Address): boolean {
  return NEVER.some(range => isIn(address, range))
}

function isIn(address: Address, [first, bits]: Range): boolean {
  return first.kind() === address.kind() && address.match(first as ipaddr.IPv4 & ipaddr.IPv6, bits)
}

function embeddedIn(address: ipaddr.IPv6): ipaddr.IPv4[] {
  const bytes = address.toByteArray()
  const held = EMBEDDED.filter(([range]) => address.match(range)).map(([, at]) => bytes.slice(at, at + 4))
  // Teredo holds the client's address with all bits turned.
  if (address.match(TEREDO)) held.push(bytes.slice(12).map(byte => byte ^ 0xff))
  if (address.parts[5] === ISATAP) held.push(bytes.slice(12))
  return held.map(four => new ipaddr.IPv4(four))
}
