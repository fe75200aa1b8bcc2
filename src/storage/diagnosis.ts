import type { Sql } from 'postgres'
import { migrationsOf } from './migrate.js'
import type { Database } from './postgres/database.js'
import { databaseTime } from './postgres/instants.js'
import { endOfPartitions, mayMakePartitions } from './postgres/partitions.js'

// A smaller table is read quickly whatever plan it gets.
const SIZE_THAT_NEEDS_STATISTICS = 512 * 1024

/** What `riskgate doctor` wants to know of a server. */
export interface Diagnosis {
  /** Whether a pooler is in between. */
  readonly isPooled: boolean
  /** Whether the server ends statements that take too long. */
  readonly isTimeLimited: boolean
  /** As PostgreSQL numbers itself: 180004 is 18.4. */
  readonly versionNumber: number
  readonly version: string
  /** Settings with which acknowledged rows could be lost. */
  readonly unsafeSettings: readonly string[]
  readonly isReadOnly: boolean
  /** Why the server refuses writes; undefined where it takes them. */
  readonly refusesWrites: string | undefined
  /** Whether this user may create schemas and tables, as migrations and new partitions do. */
  readonly mayCreate: boolean
  /** Tables that this user may not read and write. */
  readonly lockedTables: readonly string[]
  /** Tables that another user owns: migrations of this user cannot change them. */
  readonly foreignTables: readonly string[]
  readonly migrations: { readonly missing: number; readonly unknown: number }
  /** When the last month with a partition for predictions ends; undefined before the first migration. */
  readonly partitionsEnd: Date | undefined
  /** Whether this user owns predictions, and so can make its partitions. */
  readonly ownsPredictions: boolean
  readonly invalidIndexes: readonly string[]
  /** Large tables that were never analyzed. */
  readonly withoutStatistics: readonly string[]
  /** Connections that this user may still open. */
  readonly freeConnections: number
  readonly clockAheadMs: number
}

/** Asks the server, one read for each question, and tries a write that leaves nothing behind. @throws AppError SERVICE_UNAVAILABLE */
export async function diagnose(database: Database): Promise<Diagnosis> {
  return {
    ...(await answersOf(database)),
    isPooled: database.isPooled,
    isTimeLimited: await database.isTimeLimited(),
    refusesWrites: await database.refusesWrites(),
  }
}

type ServerAnswers = Omit<
  Answers,
  'migrations' | 'partitionsEnd' | 'ownsPredictions' | 'invalidIndexes' | 'withoutStatistics' | 'clockAheadMs'
>

type Answers = Omit<Diagnosis, 'isPooled' | 'isTimeLimited' | 'refusesWrites'>

function answersOf(database: Database): Promise<Answers> {
  return database.read(async ({ sql }) => {
    const [server] = await sql<ServerAnswers[]>`
      select current_setting('server_version_num')::int as "versionNumber", current_setting('server_version') as version,
        array(select name from unnest(array['fsync', 'synchronous_commit', 'full_page_writes']) name
          where current_setting(name) = 'off') as "unsafeSettings",
        current_setting('in_hot_standby') = 'on' or current_setting('default_transaction_read_only') = 'on' as "isReadOnly",
        has_database_privilege(current_database(), 'create') and has_schema_privilege('public', 'create') as "mayCreate",
        array(select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
          and not (has_table_privilege(oid, 'select') and has_table_privilege(oid, 'insert')
            and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete')) order by 1) as "lockedTables",
        array(select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and not relispartition
          and not pg_has_role(relowner, 'usage') order by 1) as "foreignTables",
        (select least(
          current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
            - count(*) filter (where backend_type = 'client backend'),
          (select nullif(rolconnlimit, -1) from pg_roles where rolname = current_user)
            - count(*) filter (where usename = current_user and backend_type = 'client backend'),
          (select nullif(datconnlimit, -1) from pg_database where datname = current_database())
            - count(*) filter (where datname = current_database() and backend_type = 'client backend')
        )::int from pg_stat_activity) as "freeConnections"`
    if (!server) throw new Error('A statement without a table has a row.')
    const invalid = await sql<{ name: string }[]>`
      select c.relname as name from pg_index i join pg_class c on c.oid = i.indexrelid
      where c.relnamespace = 'public'::regnamespace and not (i.indisvalid and i.indisready) order by 1`
    const unread = await sql<{ name: string }[]>`
      select relname as name from pg_class c
      where relnamespace = 'public'::regnamespace and relkind = 'r' and pg_relation_size(c.oid) > ${SIZE_THAT_NEEDS_STATISTICS}
        and not exists (select from pg_stats where schemaname = 'public' and tablename = relname) order by 1`
    const asked = Date.now()
    const there = await databaseTime(sql)
    return {
      ...server,
      migrations: await migrationsOf(sql),
      ownsPredictions: await mayMakePartitions(sql),
      partitionsEnd: (await hasPredictions(sql)) ? await endOfPartitions(sql) : undefined,
      invalidIndexes: invalid.map(({ name }) => name),
      withoutStatistics: unread.map(({ name }) => name),
      clockAheadMs: Math.round((asked + Date.now()) / 2 - there),
    }
  })
}

async function hasPredictions(sql: Sql): Promise<boolean> {
  const [row] = await sql<{ isThere: boolean }[]>`select to_regclass('predictions') is not null as "isThere"`
  return row?.isThere ?? false
}
