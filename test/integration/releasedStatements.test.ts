import { readdirSync, readFileSync } from 'node:fs'
import postgres from 'postgres'
import { describe, expect, it } from 'vitest'
import { openFeedEpoch } from '../../src/storage/postgres/feedEpoch.js'
import { ensurePartitions } from '../../src/storage/postgres/partitions.js'
import { createTestDatabase } from '../support/database.js'
import type { Executed } from '../support/statementProxy.js'

const FOLDER = 'test/fixtures/releases'

/** What `npm run test:upgrade -- --record` has noted. */
interface Recorded {
  readonly release: string
  readonly at: string
  readonly statements: readonly Executed[]
}

/** Columns that the next release has taken from webhooks: docs/operations/upgrades.md asks for a stop. */
const GONE = /\b(queued_at|previous_secret|previous_secret_until)\b/

const releases = readdirSync(FOLDER).map(name => JSON.parse(readFileSync(`${FOLDER}/${name}`, 'utf8')) as Recorded)

describe.each(releases)('a gateway of release $release', ({ at, statements }) => {
  it('scores, reads, alerts and audits on the tables of this version', async () => {
    await using database = await createTestDatabase()
    await ensurePartitions(database.sql, new Date(at))
    await openFeedEpoch(database.sql)
    const sql = postgres(database.url, { max: 1, fetch_types: false, prepare: false, onnotice: () => {} })
    // The values were noted as they went over the wire.
    for (const type of Object.keys(sql.options.serializers)) sql.options.serializers[Number(type)] = String
    const failed: string[] = []
    for (const { text, values } of statements) {
      const given = text.startsWith('select') && values.length === 0 ? sql.unsafe(text) : sql.unsafe(text, [...values])
      await given.catch((error: { code: string }) => failed.push(`${error.code} ${text}`))
    }
    await sql.end()
    expect(failed.filter(text => !GONE.test(text))).toEqual([])
    expect(statements.length).toBeGreaterThan(30)
    // They did find and store something.
    const [row] = await database.sql`
      select (select count(*)::int from predictions) as predictions, (select count(*)::int from alerts) as alerts,
        (select count(*)::int from predictions where defaulted) as defaulted, (select count(*) > 0 from audit_entries) as audited`
    expect(row).toEqual({ predictions: 2, alerts: 1, defaulted: 1, audited: true })
  })
})
