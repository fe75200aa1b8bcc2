import type { TestDatabase } from './database.js'

interface Refusal {
  /** As in `pg_walfile_name(pg_lsn)`. */
  readonly name: string
  readonly returns: string
  readonly code: string
}

/**
 * Lets a database refuse functions, as managed servers do: functions of these names stand before those of PostgreSQL in the search
 * path of connections that open later.
 */
export async function refuseFunctions(database: TestDatabase, ...refusals: readonly Refusal[]): Promise<void> {
  await preferOwnFunctions(database)
  for (const { name, returns, code } of refusals) {
    await database.sql.unsafe(`create or replace function public.${name} returns ${returns} language plpgsql as
      $$ begin raise exception 'not on this server' using errcode = '${code}'; end $$`)
  }
}

/** The functions answer as those of PostgreSQL, until they are refused: also connections that are open meet the refusal then. */
export async function preferOwnFunctions(
  { sql, name }: TestDatabase,
  ...passed: readonly (Refusal & { call: string })[]
): Promise<void> {
  await sql.unsafe(`alter database ${name} set search_path = public, pg_catalog`)
  for (const { name, returns, call } of passed) {
    await sql.unsafe(
      `create function public.${name} returns ${returns} language plpgsql as $$ begin return pg_catalog.${call}; end $$`,
    )
  }
}

export const WAL_POSITION: Refusal = { name: 'pg_current_wal_lsn()', returns: 'pg_lsn', code: '55000' }
export const WAL_FILE: Refusal = { name: 'pg_walfile_name(pg_lsn)', returns: 'text', code: '0A000' }
export const CONTROL: Refusal = {
  name: 'pg_control_system(out system_identifier bigint)',
  returns: 'bigint',
  code: '42501',
}
export const MESSAGE: Refusal = {
  name: 'pg_logical_emit_message(boolean, text, text)',
  returns: 'pg_lsn',
  code: '55000',
}
export const RECOVERY: Refusal = { name: 'pg_is_in_recovery()', returns: 'boolean', code: '0A000' }
export const BLOCKERS: Refusal = { name: 'pg_blocking_pids(integer)', returns: 'integer[]', code: '42501' }
export const SERVER_START = {
  name: 'pg_postmaster_start_time()',
  returns: 'timestamptz',
  code: '55000',
  call: 'pg_postmaster_start_time()',
}
