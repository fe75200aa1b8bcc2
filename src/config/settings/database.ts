import { databaseUrl, flag, wholeNumber } from './forms.js'

/** PostgreSQL. */
export const databaseSettings = {
  DATABASE_URL: databaseUrl
    .optional()
    .describe('PostgreSQL 15 or later. If not set: PostgreSQL 18 from the npm packages, with its data in the state directory'),
  RISKGATE_DATABASE_POOL_SIZE: wholeNumber(4, 100)
    .default(10)
    .describe(
      'connections of a replica: two for predictions, one for bulk writes, the rest for reads. ' +
        'One more serves webhooks and seals, and one the alert feed',
    ),
  RISKGATE_MIGRATE_AT_START: flag
    .default(true)
    .describe(
      '`false`: a step of its own runs `riskgate migrate`. A start only checks the database, and ends with exit code 78 where a ' +
        'migration is missing. The embedded database is always migrated',
    ),
  RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF: flag
    .default(false)
    .describe(
      '`true`: the storage of the database never writes half a page, and `full_page_writes` may be off, as at Neon ' +
        '([database.md](database.md#durability)). `fsync` and `synchronous_commit` must be on all the same',
    ),
}
