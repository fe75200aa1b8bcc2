import { cpSync, rmSync, writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makePair } from '../support/certificates.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { type Exit, runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { freePort } from '../support/redis.js'

const folder = testFolder('doctor')
let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
})
afterAll(() => database[Symbol.asyncDispose]())

const doctor = (settings: Record<string, string> = {}) =>
  runCommand(['doctor'], { DATABASE_URL: database.url, RISKGATE_STATE_DIR: folder, ...TEST_KEY, ...settings })
/** The lines that are not `ok`. */
const bad = ({ stdout }: Exit) => stdout.split('\n').filter(line => line !== '' && !line.startsWith('ok '))

describe('riskgate doctor', () => {
  it('finds nothing wrong with a new database, and says what it has looked at', async () => {
    const { status, stdout, stderr } = await doctor()
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(bad({ stdout } as Exit)).toEqual([])
    for (const check of ['database version', 'indexes', 'clock', 'connections', 'models', 'certificate', 'Redis']) {
      expect(stdout).toMatch(new RegExp(`^ok +${check} `, 'm'))
    }
  })

  it('names a broken index, a table without statistics and a migration that is missing, with what to do', async () => {
    const { sql } = database
    await sql`create table filled as select generate_series(1, 20000) as n`
    await sql`create unique index concurrently broken on filled ((n % 2))`.catch(() => {})
    // The server may have analyzed the new table by itself.
    await sql`delete from pg_statistic where starelid = 'filled'::regclass`
    await sql`delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)`
    const found = await doctor()
    await sql`drop table filled`
    expect(found.status).toBe(1)
    expect(bad(found)).toEqual([
      expect.stringMatching(/^WARNING +migrations +1 to come: .*riskgate migrate/),
      expect.stringMatching(/^PROBLEM +indexes +Not valid: broken\. Run REINDEX/),
      expect.stringMatching(/^WARNING +statistics +Never analyzed: filled\. Run ANALYZE/),
    ])
  })

  it('names a Redis, an issuer and a certificate that cannot be used, and goes on', async () => {
    const { cert } = await makePair()
    const { key } = await makePair()
    await writeFile(join(folder, 'cert.pem'), cert)
    await writeFile(join(folder, 'key.pem'), key)
    const port = await freePort()
    const found = await doctor({
      REDIS_URL: `redis://127.0.0.1:${port}`,
      RISKGATE_JWKS_URL: `http://127.0.0.1:${port}/keys`,
      RISKGATE_JWT_ISSUER: 'https://issuer.example',
      RISKGATE_TLS_CERT_FILE: join(folder, 'cert.pem'),
      RISKGATE_TLS_KEY_FILE: join(folder, 'key.pem'),
    })
    expect(found.status).toBe(1)
    expect(bad(found).filter(line => line.startsWith('PROBLEM'))).toEqual([
      expect.stringMatching(/^PROBLEM +certificate +RISKGATE_TLS_KEY_FILE is not the key/),
      expect.stringMatching(/^PROBLEM +token issuer +RISKGATE_JWKS_URL gives no keys/),
      expect.stringMatching(/^PROBLEM +Redis +REDIS_URL does not answer/),
    ])
    expect(found.stdout).toMatch(/^ok +database version/m)
  })

  it('names a user without the rights that a gateway needs, and its limit of connections', async () => {
    const { sql } = database
    const url = new URL(database.url)
    Object.assign(url, { username: `reader_${process.pid}`, password: 'reader' })
    await sql.unsafe(`create role ${url.username} login password 'reader' connection limit 5`)
    const withoutAny = await doctor({ DATABASE_URL: url.href })
    await sql.unsafe(`grant usage on schema drizzle, public to ${url.username}`)
    await sql.unsafe(`grant select on all tables in schema drizzle, public to ${url.username}`)
    const reads = await doctor({ DATABASE_URL: url.href })
    await sql.unsafe(`grant insert, update, delete on all tables in schema public to ${url.username}`)
    const writes = await doctor({ DATABASE_URL: url.href, RISKGATE_MIGRATE_AT_START: 'false' })
    const migrates = await doctor({ DATABASE_URL: url.href })
    await sql.unsafe(`grant create on schema public to ${url.username}`)
    await sql.unsafe(`grant create on database ${url.pathname.slice(1)} to ${url.username}`)
    const creates = await doctor({ DATABASE_URL: url.href })
    await sql.unsafe(`drop owned by ${url.username}`)
    await sql.unsafe(`drop role ${url.username}`)
    const rights = (found: Exit) => bad(found).filter(line => line.includes('database rights'))
    expect(bad(withoutAny)).toEqual([expect.stringMatching(/^PROBLEM +database +The user of DATABASE_URL lacks a right there/)])
    expect(reads.status).toBe(1)
    expect(bad(reads).filter(line => !line.includes(' migrations '))).toEqual([
      expect.stringMatching(/^PROBLEM +database rights +This user may not read and write alerts, .*predictions, /),
      expect.stringMatching(/^WARNING +connections +[34] free, .*CONNECTION LIMIT/),
    ])
    expect(rights(writes)).toEqual([])
    expect(writes.stdout).toMatch(/^ok +database rights +may read and write every table/m)
    expect(rights(migrates)).toEqual([expect.stringMatching(/This user may not create schemas and tables/)])
    expect(rights(creates)).toEqual([expect.stringMatching(/Another user owns alerts, .*predictions, /)])
  })

  it('names a database that refuses the login, and a model folder that cannot be served', async () => {
    const url = new URL(database.url)
    url.username = 'nobody'
    const found = await doctor({ DATABASE_URL: url.href, RISKGATE_MODELS_DIR: folder })
    expect(found.status).toBe(1)
    expect(bad(found)).toEqual([
      expect.stringMatching(/^PROBLEM +models /),
      expect.stringMatching(/^PROBLEM +database +DATABASE_URL/),
    ])
  })

  it('calls a model without a champion a problem, and a broken candidate beside a good champion a warning', async () => {
    const models = join(folder, 'models')
    cpSync('models/consumer-credit', join(models, 'consumer-credit'), { recursive: true })
    writeFileSync(join(models, 'consumer-credit', '1', 'manifest.json'), '{')
    const candidate = await doctor({ RISKGATE_MODELS_DIR: models })
    expect(bad(candidate).filter(line => line.includes(' models '))).toEqual([
      expect.stringMatching(/^WARNING +models +consumer-credit\/1\/manifest\.json is not JSON\./),
    ])
    rmSync(join(models, 'consumer-credit', '2', 'golden.jsonl'))
    const champion = await doctor({ RISKGATE_MODELS_DIR: models })
    expect(champion.status).toBe(1)
    expect(bad(champion)).toContainEqual(
      expect.stringMatching(/^PROBLEM +models +consumer-credit\/2\/golden\.jsonl: a champion needs golden rows/),
    )
  })

  it('names the setting of a certificate that is missing', async () => {
    const found = await doctor({
      RISKGATE_TLS_CERT_FILE: join(folder, 'none.pem'),
      RISKGATE_TLS_KEY_FILE: join(folder, 'none.pem'),
    })
    const says = 'RISKGATE_TLS_CERT_FILE names a file that cannot be read (ENOENT).'
    expect(bad(found)).toContainEqual(`PROBLEM  certificate          ${says}`)
  })

  it('ends with 78 at settings that cannot be used', async () => {
    const { status, stderr } = await doctor({ RISKGATE_PORT: 'x' })
    expect(status).toBe(78)
    expect(stderr).toContain('RISKGATE_PORT')
  })
})
