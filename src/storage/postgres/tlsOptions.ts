import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { checkServerIdentity, createSecureContext, type PeerCertificate, type SecureContextOptions } from 'node:tls'
import type { TlsDemand } from '../../databaseUrl/tlsDemand.js'
import { ConfigError } from '../../errors.js'

const FILES = ['sslrootcert', 'sslcert', 'sslkey', 'sslcrl'] as const
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

type FileName = (typeof FILES)[number]

/** The options of TLS as postgres.js takes them. Reads the files. @throws ConfigError that names the parameter of a file */
export function tlsOptions(demand: TlsDemand, hosts: readonly string[]): false | 'prefer' | object {
  const { mode } = demand
  if (mode === 'disable' || mode === 'prefer') return mode === 'disable' ? false : mode
  return {
    secureContext: contextOf(demand),
    rejectUnauthorized: mode !== 'require',
    checkServerIdentity: mode === 'verify-full' ? identityAmong(hosts) : () => undefined,
  }
}

function contextOf(demand: TlsDemand) {
  const { minVersion, maxVersion, sslpassword: passphrase } = demand
  const files = Object.fromEntries(FILES.map(name => [name, read(demand, name)]))
  checkCertificates('sslrootcert', files.sslrootcert)
  checkCertificates('sslcert', files.sslcert)
  try {
    return createSecureContext({
      // Absent: the authorities that Node trusts.
      ca: files.sslrootcert,
      cert: files.sslcert,
      key: files.sslkey,
      crl: files.sslcrl,
      passphrase,
      minVersion,
      maxVersion,
    } as SecureContextOptions)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const named = ['sslkey', 'sslcert', 'sslcrl'].filter(name => files[name] !== undefined)
    throw new ConfigError([`DATABASE_URL: ${named.join(' and ') || 'the versions of TLS'} cannot be used together (${code}).`])
  }
}

function read(demand: TlsDemand, name: FileName): string | undefined {
  const path = demand[name]
  if (path === undefined || (name === 'sslrootcert' && path === 'system')) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`DATABASE_URL: ${name} names a file that cannot be read (${code}).`])
  }
}

function checkCertificates(name: FileName, pem: string | undefined): void {
  if (pem === undefined) return
  const found = pem.match(CERTIFICATE) ?? []
  try {
    if (found.length === 0) throw new Error('none')
    for (const certificate of found) new X509Certificate(certificate)
  } catch {
    throw new ConfigError([`DATABASE_URL: ${name} names a file without certificates in PEM form.`])
  }
}

/** Node knows the host of a socket only by its name: for an address it would compare with `localhost`. */
function identityAmong(hosts: readonly string[]) {
  const addresses = hosts.filter(host => isIP(host) !== 0)
  return (name: string, certificate: PeerCertificate): Error | undefined => {
    if (hosts.includes(name)) return checkServerIdentity(name, certificate)
    const refusals = addresses.map(address => checkServerIdentity(address, certificate))
    return refusals.includes(undefined) ? undefined : (refusals[0] ?? checkServerIdentity(name, certificate))
  }
}
