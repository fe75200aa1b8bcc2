/** What REDIS_URL says. The cache declares the same as what it needs. */
export interface RedisPlace {
  readonly kind: 'server' | 'cluster' | 'sentinel'
  readonly nodes: readonly { readonly host: string; readonly port: number }[]
  readonly username: string | undefined
  readonly password: string | undefined
  readonly database: number
  readonly masterName: string | undefined
  readonly sentinelUsername: string | undefined
  readonly sentinelPassword: string | undefined
  readonly isEncrypted: boolean
}

/** How a sentence about the value goes on after its name. */
type Problem = string

const PORT = 6_379
const SENTINEL_PORT = 26_379
// The spellings of other clients: redis+sentinel://, redis-sentinel://, rediss+cluster:// and the like.
const SCHEME = /^(redis|rediss)(?:[+-](cluster|sentinel))?:\/\//i
const NEXT_URL = /,(?=\s*rediss?(?:[+-](?:cluster|sentinel))?:\/\/)/i
const AUTHORITY = /^([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?$/s
// What other clients write into their addresses and what says nothing that riskgate does not do anyway.
const IGNORED = new Set(['protocol', 'ssl_cert_reqs', 'family'])
const VERIFIED = new Set(['required', 'CERT_REQUIRED'])

export const REDIS_URL_FORM =
  'redis://, or rediss:// for TLS, [user:password@]host[:port][/database]; nodes of a cluster with commas between them; ' +
  'or redis+sentinel://host:port,host:port/name-of-the-master'

/** Reads one server, the seeds of a cluster, or Sentinels. A problem never repeats the value, which may hold a password. */
export function parseRedisUrl(text: string): RedisPlace | Problem {
  const places: RedisPlace[] = []
  for (const part of text.split(NEXT_URL)) {
    const place = parseOne(part.trim())
    if (typeof place === 'string') return place
    places.push(place)
  }
  const [first, ...others] = places
  if (!first) return `must be ${REDIS_URL_FORM}`
  if (others.some(other => !isAlike(first, other)))
    return 'names several addresses: their schemes, users, passwords and ends must agree'
  const nodes = places.flatMap(place => place.nodes)
  const kind = nodes.length > 1 && first.kind === 'server' ? 'cluster' : first.kind
  if (kind === 'cluster' && first.database !== 0)
    return 'names a database of a cluster, which has only one: leave out what follows the /'
  return { ...first, kind, nodes }
}

function parseOne(text: string): RedisPlace | Problem {
  const [scheme = '', tls = '', kind = 'server'] = SCHEME.exec(text) ?? []
  const [, authority = '', path = '', query = '', fragment] = AUTHORITY.exec(text.slice(scheme.length)) ?? []
  if (scheme === '' || authority === '') return `must be ${REDIS_URL_FORM}`
  if (fragment !== undefined) return 'must not contain a #: write one in a password as %23'
  const isSentinel = kind.toLowerCase() === 'sentinel'
  const at = authority.lastIndexOf('@')
  const user = userOf(authority.slice(0, Math.max(0, at)))
  if (!user) return 'must be a URL in which % is written as %25'
  const parameters = new URLSearchParams(query)
  const wrong = wrongParameter(parameters, isSentinel)
  if (wrong !== undefined) return wrong
  const hosts = [...authority.slice(at + 1).split(','), ...parameters.getAll('addr')]
  const nodes = hosts.map(host => nodeOf(host.trim(), isSentinel ? SENTINEL_PORT : PORT))
  if (nodes.some(node => node === undefined)) return 'must name a host, and a port from 1 to 65535, between each two commas'
  const parts = path
    .split('/')
    .slice(1)
    .filter(part => part !== '')
  const masterName = isSentinel ? (parameters.get('sentinelMasterId') ?? parts.shift()) : undefined
  if (isSentinel && !masterName) return 'must end in the name that the Sentinels give the master, such as /mymaster'
  const [database = parameters.get('db') ?? '0', ...more] = parts
  if (more.length > 0 || !/^\d{1,5}$/.test(database)) return 'must name the database by its number after the /, such as /0'
  return {
    kind: kind.toLowerCase() as RedisPlace['kind'],
    nodes: nodes as { host: string; port: number }[],
    ...user,
    database: Number(database),
    masterName: masterName && decodeURIComponent(masterName),
    sentinelUsername: parameters.get('sentinelUsername') ?? undefined,
    sentinelPassword: parameters.get('sentinelPassword') ?? undefined,
    isEncrypted: tls.toLowerCase() === 'rediss',
  }
}

/** Undefined where it cannot be decoded. */
function userOf(text: string): { username: string | undefined; password: string | undefined } | undefined {
  const [, name = '', password = ''] = /^([^:]*):?(.*)$/s.exec(text) ?? []
  try {
    return { username: decodeURIComponent(name) || undefined, password: decodeURIComponent(password) || undefined }
  } catch {
    return undefined
  }
}

function nodeOf(text: string, defaultPort: number): { host: string; port: number } | undefined {
  // As another scheme, which knows no default port.
  const url = `redis://${text}`
  if (text === '' || !URL.canParse(url)) return undefined
  const { hostname, port, pathname, username } = new URL(url)
  if (hostname === '' || pathname !== '' || username !== '' || port === '0') return undefined
  return { host: hostname.replace(/^\[|\]$/g, ''), port: port === '' ? defaultPort : Number(port) }
}

function wrongParameter(parameters: URLSearchParams, isSentinel: boolean): Problem | undefined {
  const known = ['db', ...(isSentinel ? ['sentinelMasterId', 'sentinelUsername', 'sentinelPassword'] : ['addr'])]
  for (const [name, value] of parameters) {
    if (name === 'ssl_cert_reqs' && !VERIFIED.has(value)) {
      return 'has the parameter ssl_cert_reqs: the certificate of Redis is always verified. Leave it out'
    }
    if (!known.includes(name) && !IGNORED.has(name)) {
      return `has the parameter ${/^[\w-]{1,40}$/.test(name) ? name : '(unreadable)'}, which riskgate does not know: leave it out`
    }
  }
  return undefined
}

function isAlike(one: RedisPlace, other: RedisPlace): boolean {
  const { nodes: _one, ...mine } = one
  const { nodes: _other, ...its } = other
  return JSON.stringify(mine) === JSON.stringify(its)
}
