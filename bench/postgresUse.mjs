import { readFileSync } from 'node:fs'

const GROWING = ['predictions', 'idempotency_keys', 'alerts', 'audit_entries']
// A partition counts as its table, and its index as the index of the table.
const TABLES = `
  select coalesce(pg_partition_root(oid), oid::regclass)::text as name,
    sum(pg_table_size(oid))::float8 as heap, sum(pg_indexes_size(oid))::float8 as indexes
  from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace
  group by 1`
const INDEXES = `
  select coalesce(pg_partition_root(indexrelid), indexrelid::regclass)::text as name, sum(pg_relation_size(indexrelid))::float8 as bytes
  from pg_index where coalesce(pg_partition_root(indrelid), indrelid::regclass) = 'predictions'::regclass and pg_relation_size(indexrelid) > 0
  group by 1 order by 2 desc`

/** What the server has used so far: bytes of write-ahead log, microseconds of CPU. */
export async function used(sql) {
  const [{ wal }] = await sql`select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as wal`
  return { wal, cpu: await cpuMicroseconds(sql) }
}

/** The sizes of all tables in bytes, with the rows of those that grow with use. */
export async function tableSizes(sql) {
  const sizes = Object.fromEntries((await sql.unsafe(TABLES)).map(({ name, ...size }) => [name, size]))
  for (const name of GROWING) {
    const [{ rows }] = await sql.unsafe(`select count(*)::float8 as rows from ${name}`)
    sizes[name].rows = rows
  }
  return sizes
}

export function predictionIndexes(sql) {
  return sql.unsafe(INDEXES)
}

/** Undefined where the processes cannot be seen: on another machine, without Linux, or for a role that may not know where they are. */
async function cpuMicroseconds(sql) {
  try {
    const [{ file }] = await sql`select current_setting('data_directory') || '/postmaster.pid' as file`
    const postmaster = readFileSync(file, 'utf8').split('\n')[0]
    const children = readFileSync(`/proc/${postmaster}/task/${postmaster}/children`, 'utf8').trim().split(' ')
    // The postmaster has the time of its ended children, too.
    return children.reduce((all, pid) => all + cpuOf(pid, 2), cpuOf(postmaster, 4))
  } catch {
    return undefined
  }
}

/** Fields 14 to 17 of proc_pid_stat(5): user and system time, then those of ended children, in hundredths of a second. */
function cpuOf(pid, fields) {
  const [, rest] = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')
  const ticks = rest.split(' ').slice(11, 11 + fields)
  return ticks.reduce((all, number) => all + Number(number) * 1e4, 0)
}
