import type { Sql } from 'postgres'
import type { AuditSeal } from '../../src/storage/audit/auditChain.js'
import { AuditSealer } from '../../src/storage/audit/auditSealer.js'
import type { Database } from '../../src/storage/postgres/database.js'

/** Writes made-up audit entries in one statement, and so in one transaction unless the caller opened one. */
export async function addEntries(sql: Sql, count: number, tenant = 'default'): Promise<void> {
  await sql`
    insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
    select ${tenant}, clock_timestamp(), 'client-' || i % 3, 'history.read', 'subject-' || i,
      jsonb_build_object('n', i, 'text', E'ä "quoted" \\n \\u2028', 'ratio', 0.10 + i, 'none', null, 'list', jsonb_build_array(i, 'x')),
      (select max(ordinal) from feed_epochs), pg_current_xact_id()
    from generate_series(1, ${count}::int) i`
}

/** Seals all open entries as one gateway would; returns the new seals. */
export async function sealAll(database: Database): Promise<AuditSeal[]> {
  const made: AuditSeal[] = []
  await new AuditSealer(database, seal => made.push(seal)).run()
  return made
}
