import type { TestDatabase } from '../../support/database.js'

// The gateway itself writes these at any time: counts that are folded from one table into the other, and positions in the feed.
const OF_THE_GATEWAY = ['risk_deltas', 'risk_rollups']
const COLUMNS_OF_THE_GATEWAY = ['epoch', 'xid', 'seq', 'last_used_at']

/** Every row of a tenant in every table with a tenant column, as texts. */
export async function rowsOf({ sql }: TestDatabase, tenant: string): Promise<Record<string, readonly string[]>> {
  const tables = await sql<{ name: string }[]>`
    select table_name as name from information_schema.columns c join information_schema.tables t using (table_schema, table_name)
    where table_schema = 'public' and column_name = 'tenant' and table_type = 'BASE TABLE' order by 1`
  const rows: Record<string, readonly string[]> = {}
  for (const { name } of tables.filter(table => !OF_THE_GATEWAY.includes(table.name))) {
    const found = await sql<{ row: string }[]>`
      select (to_jsonb(t) - ${COLUMNS_OF_THE_GATEWAY}::text[])::text as row from ${sql(name)} t where tenant = ${tenant} order by 1`
    rows[name] = found.map(({ row }) => row)
  }
  return rows
}
