import { isIP } from 'node:net'

const MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const
const VERSION = /^TLSv1\.[0-3]$|^TLSv1$/
const FILES = ['sslrootcert', 'sslcert', 'sslkey', 'sslcrl'] as const

/** What a connection string demands of the encryption. Files are named, and not read yet. */
export interface TlsDemand {
  /** `prefer` encrypts where the server offers it; `prefer` and `require` let anybody be the server. */
  readonly mode: 'disable' | 'prefer' | 'require' | 'verify-ca' | 'verify-full'
  /** `system`, or absent: the authorities that Node trusts. */
  readonly sslrootcert: string | undefined
  readonly sslcert: string | undefined
  readonly sslkey: string | undefined
  readonly sslcrl: string | undefined
  readonly sslpassword: string | undefined
  readonly minVersion: string | undefined
  readonly maxVersion: string | undefined
  /** Whether TLS begins without asking PostgreSQL first (PostgreSQL 17). */
  readonly isDirect: boolean
}

/** Reads the parameters of TLS, as libpq does where it verifies, and never more weakly. */
export function readTls(
  given: ReadonlyMap<string, string>,
  hosts: readonly string[],
): TlsDemand | { readonly problems: readonly string[] } {
  const [mode, ...problems] = modeOf(given, hosts)
  for (const name of ['ssl_min_protocol_version', 'ssl_max_protocol_version']) {
    if (given.has(name) && !VERSION.test(given.get(name) ?? '')) problems.push(`has a ${name} other than TLSv1.2 and TLSv1.3`)
  }
  const negotiation = given.get('sslnegotiation') ?? 'postgres'
  if (negotiation !== 'postgres' && negotiation !== 'direct') problems.push('has a sslnegotiation other than postgres and direct')
  if (negotiation === 'direct' && (mode === 'disable' || mode === 'prefer'))
    problems.push('has sslnegotiation=direct, which needs a sslmode of require, verify-ca or verify-full')
  if (given.has('sslcert') !== given.has('sslkey')) problems.push('must have sslcert and sslkey together')
  if (given.has('sslcert') && (mode === 'disable' || mode === 'prefer'))
    problems.push('has sslcert, which needs a sslmode of require, verify-ca or verify-full')
  for (const name of FILES) if (given.get(name) === '') problems.push(`has an empty ${name}`)
  if (problems.length > 0 || mode === undefined) return { problems }
  const file = (name: string) => given.get(name)
  return {
    mode,
    sslrootcert: file('sslrootcert'),
    sslcert: file('sslcert'),
    sslkey: file('sslkey'),
    sslcrl: file('sslcrl'),
    sslpassword: given.get('sslpassword'),
    minVersion: given.get('ssl_min_protocol_version'),
    maxVersion: given.get('ssl_max_protocol_version'),
    isDirect: negotiation === 'direct',
  }
}

type Result = readonly [mode: TlsDemand['mode'] | undefined, ...problems: string[]]

function modeOf(given: ReadonlyMap<string, string>, hosts: readonly string[]): [...Result] {
  const sslmode = given.get('sslmode')
  if (sslmode !== undefined && !(MODES as readonly string[]).includes(sslmode))
    return [undefined, `has a sslmode that does not exist: it must be one of ${MODES.join(', ')}`]
  const other = modeOfOthers(given)
  if (typeof other === 'object') return [undefined, ...other]
  if (sslmode !== undefined && other !== undefined && (sslmode === 'disable') !== (other === 'disable'))
    return [undefined, 'has parameters of TLS that contradict each other']
  const root = given.get('sslrootcert')
  if (root === 'system' && sslmode !== undefined && sslmode !== 'verify-full')
    return [undefined, 'has sslrootcert=system, which needs sslmode=verify-full']
  const mode = sslmode === 'allow' ? 'prefer' : (sslmode as TlsDemand['mode'] | undefined)
  // As libpq: a URL that names an authority wants it checked.
  if (mode === 'require' && root !== undefined) return ['verify-ca']
  return [mode ?? other ?? (root === undefined ? unsaid(hosts) : 'verify-full')]
}

/** What other drivers write in place of sslmode; an array of problems where that cannot be read. */
function modeOfOthers(given: ReadonlyMap<string, string>): TlsDemand['mode'] | undefined | readonly string[] {
  const [ssl, accept, required] = ['ssl', 'sslaccept', 'requiressl'].map(name => given.get(name))
  if (ssl !== undefined && !/^(true|false|0|1)$/.test(ssl)) return ['has a ssl other than true and false']
  if (accept !== undefined && !/^(strict|accept_invalid_certs)$/.test(accept))
    return ['has a sslaccept other than strict and accept_invalid_certs']
  if (required !== undefined && !/^[01]$/.test(required)) return ['has a requiressl other than 0 and 1']
  if (ssl === 'false' || ssl === '0') return 'disable'
  if (accept === 'accept_invalid_certs') return 'require'
  // JDBC and node-postgres verify the server then.
  if (ssl !== undefined || accept !== undefined) return 'verify-full'
  return required === '1' ? 'require' : undefined
}

/** As libpq, but for connections that never leave this machine. */
function unsaid(hosts: readonly string[]): TlsDemand['mode'] {
  return hosts.every(isHere) ? 'disable' : 'prefer'
}

function isHere(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith('127.')
  return host === 'localhost' || host === '::1' || host.startsWith('/')
}
