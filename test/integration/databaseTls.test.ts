import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { driverOf } from '../../src/storage/postgres/driver.js'
import { waitForDatabase } from '../../src/storage/postgres/waitForDatabase.js'
import { type CertificateAuthority, makeAuthority } from '../support/certificateAuthority.js'
import { testFolder } from '../support/folder.js'
import { startTlsPostgres, type TlsPostgres } from '../support/tlsPostgres.js'

const folder = testFolder('database-tls')
const OWN = join(folder, 'own.pem')
const OTHER = join(folder, 'other.pem')

/** How a connection is encrypted, or why there is none. */
async function outcome(url: string): Promise<string> {
  const failure = await waitForDatabase(url, () => {}).then(
    () => undefined,
    (error: Error) => error.message,
  )
  if (failure !== undefined) return failure
  const sql = driverOf(url)({ max: 1, fetch_types: false })
  const [row] = await sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`
  await sql.end({ timeout: 1 })
  return row?.ssl ? 'encrypted' : 'plain'
}

const UNTRUSTED = /^DATABASE_URL: the PostgreSQL at [^ ]+ has a certificate of an authority that is not trusted \([A-Z_]+\)/
const ANOTHER_HOST = /^DATABASE_URL: the PostgreSQL at [^ ]+ has a certificate for another host \(ERR_TLS_CERT_ALTNAME_INVALID\)/

describe.skipIf(process.platform === 'win32')('a PostgreSQL that offers TLS', () => {
  let server: TlsPostgres
  let authority: CertificateAuthority
  beforeAll(async () => {
    server = await startTlsPostgres()
    authority = await makeAuthority('own')
    writeFileSync(OWN, authority.cert)
    writeFileSync(OTHER, (await makeAuthority('other')).cert)
    expect(await outcome(server.url('sslmode=require'))).toMatch(/ does not offer TLS, which the URL demands by its sslmode/)
    expect(await outcome(server.url('sslmode=prefer'))).toBe('plain')
    await server.certify(await authority.issue(['127.0.0.1', 'localhost']))
  })
  afterAll(() => server[Symbol.asyncDispose]())

  it.each([
    ['sslmode=disable', 'plain'],
    ['', 'plain'],
    ['sslmode=prefer', 'encrypted'],
    ['sslmode=require&channel_binding=require', 'encrypted'],
    [`sslmode=require&sslrootcert=${OWN}`, 'encrypted'],
    [`sslmode=require&sslrootcert=${OTHER}`, UNTRUSTED],
    [`sslmode=verify-ca&sslrootcert=${OWN}`, 'encrypted'],
    [`sslmode=verify-ca&sslrootcert=${OTHER}`, UNTRUSTED],
    [`sslmode=verify-full&sslrootcert=${OWN}`, 'encrypted'],
    [`sslmode=verify-full&sslrootcert=${encodeURIComponent(OWN)}&ssl_min_protocol_version=TLSv1.3`, 'encrypted'],
    [`sslmode=verify-full&sslrootcert=${OTHER}`, UNTRUSTED],
    [`sslrootcert=${OTHER}`, UNTRUSTED],
    ['sslmode=verify-full', UNTRUSTED],
    ['sslrootcert=system', UNTRUSTED],
    ['ssl=true', UNTRUSTED],
    ['sslmode=verify-full&sslrootcert=/nowhere.pem', /^DATABASE_URL: sslrootcert names a file that cannot be read \(ENOENT\)\.$/],
  ])('%s', async (parameters, expected) => {
    const found = await outcome(server.url(parameters))
    if (typeof expected === 'string') expect(found).toBe(expected)
    else expect(found).toMatch(expected)
  })

  it('is known by its name and by its address', async () => {
    expect(await outcome(server.url(`sslmode=verify-full&sslrootcert=${OWN}`, 'localhost'))).toBe('encrypted')
    await server.certify(await authority.issue(['db.example']))
    for (const host of ['127.0.0.1', 'localhost']) {
      expect(await outcome(server.url(`sslmode=verify-full&sslrootcert=${OWN}`, host))).toMatch(ANOTHER_HOST)
      expect(await outcome(server.url(`sslmode=verify-ca&sslrootcert=${OWN}`, host))).toBe('encrypted')
    }
  })

  it('is refused once its certificate has expired', async () => {
    await server.certify(await authority.issue(['127.0.0.1'], { validDays: -1 }))
    expect(await outcome(server.url(`sslmode=verify-full&sslrootcert=${OWN}`))).toMatch(/ is not valid \(CERT_HAS_EXPIRED\)\.$/)
    await server.certify(await authority.issue(['127.0.0.1', 'localhost']))
  })

  it('admits a client by its certificate, or not at all', async () => {
    const clients = await makeAuthority('clients')
    const pair = await clients.issue([server.user])
    const [cert, key] = [join(folder, 'client.pem'), join(folder, 'client.key')]
    writeFileSync(cert, pair.cert)
    writeFileSync(key, pair.key)
    await server.admit('hostssl all all 127.0.0.1/32 cert', clients.cert)
    const demand = `sslmode=verify-full&sslrootcert=${OWN}`
    expect(await outcome(server.url(`${demand}&sslcert=${cert}&sslkey=${key}`))).toBe('encrypted')
    expect(await outcome(server.url(demand))).toMatch(/refuses this user, or a connection like this \(28000\)/)
    expect(await outcome(server.url('sslmode=disable'))).toMatch(/refuses this user, or a connection like this \(28000\)/)
    expect(await outcome(server.url(`${demand}&sslcert=${OWN}&sslkey=${key}`))).toMatch(
      /sslkey and sslcert cannot be used together/,
    )
  })
})
