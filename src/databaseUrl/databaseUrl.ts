import { OF_THE_SESSION } from './parameters.js'
import { decoded, readQuery } from './query.js'
import { readTls, type TlsDemand } from './tlsDemand.js'

const URL_FORM = /^postgres(?:ql)?:\/\/([^/?#]*)(?:\/([^?#]*))?(?:\?([^#]*))?(#.*)?$/s
const DEFAULT_HOST = 'localhost'
const DEFAULT_PORT = 5432
const LAST_PORT = 65_535
const WRITABLE = ['any', 'read-write', 'primary']
const BAD_ENCODING = 'must be a URL in which % is written as %25'
const PLACE_FORM =
  'must be a URL with names of hosts and their ports, as in db.example:5432/risk; @, / and : of a password are written as %40, %2F and %3A'

export interface DatabaseHost {
  /** A name, an address, or the folder of a Unix socket. */
  readonly host: string
  readonly port: number
}

/** What a connection string says. */
export interface DatabaseAddress {
  /** They are tried in their order. */
  readonly hosts: readonly DatabaseHost[]
  /** Absent: the driver decides. */
  readonly user: string | undefined
  readonly password: string | undefined
  readonly database: string | undefined
  readonly tls: TlsDemand
  /** Whether a standby among the hosts must be passed over. */
  readonly mustBePrimary: boolean
  /** Parameters that the server gets as a session starts. */
  readonly session: Readonly<Record<string, string>>
  /** The names of parameters without an effect. */
  readonly ignored: readonly string[]
}

/** Reads a connection string of libpq's form. Problems go on from the name of the setting, and repeat no value. */
export function readDatabaseUrl(text: string): DatabaseAddress | { readonly problems: readonly string[] } {
  const [isUrl, authority = '', path = '', query = '', fragment] = URL_FORM.exec(text) ?? []
  if (isUrl === undefined) return { problems: [formProblem(text)] }
  if (fragment !== undefined) return { problems: ['must be a URL in which # is written as %23'] }
  const { given, ignored, problems } = readQuery(query)
  const at = authority.lastIndexOf('@')
  const [, rawUser = '', rawPassword] = /^([^:]*)(?::(.*))?$/s.exec(authority.slice(0, Math.max(at, 0))) ?? []
  const parts = [rawUser, rawPassword ?? '', path].map(decoded)
  const [user, password, database] = parts
  const hosts = hostsOf(given.get('host') ?? authority.slice(at + 1), given.get('port'), given.has('host'))
  const tls = readTls(given, typeof hosts === 'string' ? [] : hosts.map(({ host }) => host))
  const target = given.get('target_session_attrs') ?? 'any'
  const all = [
    ...(parts.includes(undefined) ? [BAD_ENCODING] : []),
    ...(typeof hosts === 'string' ? [hosts] : []),
    // The rest of a password with a slash would be the database, and the user the host.
    ...(/[@/]/.test(path) ? [PLACE_FORM] : []),
    ...problems,
    ...('problems' in tls ? tls.problems : []),
    ...(WRITABLE.includes(target) ? [] : ['has a target_session_attrs other than any, read-write and primary: riskgate writes']),
  ]
  if (all.length > 0 || typeof hosts === 'string' || 'problems' in tls) return { problems: [...new Set(all)] }
  return {
    hosts,
    user: given.get('user') || user || undefined,
    password: given.get('password') ?? (rawPassword === undefined ? undefined : password),
    database: given.get('dbname') || database || undefined,
    tls,
    mustBePrimary: hosts.length > 1 || target !== 'any',
    session: Object.fromEntries(OF_THE_SESSION.flatMap(name => (given.has(name) ? [[name, given.get(name) as string]] : []))),
    ignored,
  }
}

/** The place that a connection goes to, for people: without user and password. */
export function placeOf({ hosts }: Pick<DatabaseAddress, 'hosts'>): string {
  return hosts.map(({ host, port }) => (host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`)).join(',')
}

function formProblem(text: string): string {
  const form = 'must be a URL that begins with postgres:// or postgresql://'
  if (/^jdbc:/i.test(text)) return `${form}; the form of JDBC has user and password as parameters`
  if (/^postgres(ql)?\+\w+:/i.test(text)) return `${form}: leave out the name of the driver behind the +`
  if (/^\s*\w+\s*=/.test(text)) return `${form}; the form of words such as host=… is not read`
  return form
}

/** Answers a problem where they cannot be read. A port per host, or one for all. */
function hostsOf(list: string, ports: string | undefined, isDecoded: boolean): readonly DatabaseHost[] | string {
  const given = ports?.split(',') ?? []
  const texts = list.split(',')
  if (given.length > 1 && given.length !== texts.length) return 'has a list in port that does not fit its hosts'
  const hosts: DatabaseHost[] = []
  for (const [i, text] of texts.entries()) {
    const [, bracketed, plain, ownPort] = /^(?:\[([^\]]+)\]|([^:[\]]*))(?::(\d*))?$/.exec(isDecoded ? bare(text) : text) ?? []
    // Undefined where the text has not this form: it must not become the host of an empty text.
    const host = bracketed ?? (isDecoded || plain === undefined ? plain : decoded(plain))
    const port = (given.length > 1 ? given[i] : given[0]) || ownPort || String(DEFAULT_PORT)
    if (host === undefined || !/^\d{1,5}$/.test(port) || Number(port) < 1 || Number(port) > LAST_PORT) return PLACE_FORM
    hosts.push({ host: host || DEFAULT_HOST, port: Number(port) })
  }
  return hosts
}

/** An IPv6 address in the parameter host has no brackets. */
function bare(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
}
