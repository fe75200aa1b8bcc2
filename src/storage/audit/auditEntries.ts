import type { ISql, PendingQuery, Row } from 'postgres'
import type { Actor } from '../../auth/principal.js'
import { EPOCH_HERE } from '../postgres/feedEpoch.js'

/** The audited actions, by the names that auditors filter for. */
export type AuditAction =
  | 'outcome.recorded'
  | 'applicant.erased'
  | 'history.export-begun'
  | 'history.exported'
  | 'webhook.created'
  | 'webhook.secret-rotated'
  | 'webhook.deleted'
  | 'webhook.redelivered'
  | 'alert.acknowledged'
  | 'api-key.created'
  | 'api-key.revoked'
  | 'history.read'
  | 'features.read'
  | 'alerts.read'
  | 'alerts.subscribed'
  | 'audit.read'
  | 'model.promoted'
  | 'model.rolled-back'
  | 'model.split'
  | 'model.retired'
  | 'model.change-proposed'
  | 'model.change-refused'
  | 'model.admitted'

type Fragment = PendingQuery<Row[]>

/**
 * The insert of one audit entry for each of `rows`, for use in one statement with the change that it records. `subject` and
 * `details` (JSON) are expressions over a row.
 */
export function auditInsert(
  sql: ISql,
  action: AuditAction,
  { tenant, principal }: Actor,
  { rows, subject, details }: { readonly rows: Fragment; readonly subject: Fragment; readonly details: Fragment },
): Fragment {
  return sql`
    insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
    select ${tenant}, clock_timestamp(), ${principal}, ${action}, ${subject}, ${details}, ${sql.unsafe(EPOCH_HERE)}, pg_current_xact_id()
    from ${rows}`
}

/** An entry without a change beside it: it records a read. */
export interface NewAuditEntry extends Actor {
  readonly action: AuditAction
  readonly subject: string
  readonly details: Readonly<Record<string, unknown>>
}

/** The insert of several entries, each with its own actor. */
export function auditInsertOf(sql: ISql, entries: readonly NewAuditEntry[]): Fragment {
  return sql`
    insert into audit_entries (tenant, at, principal, action, subject, details, epoch, xid)
    select tenant, clock_timestamp(), principal, action, subject, details, ${sql.unsafe(EPOCH_HERE)}, pg_current_xact_id()
    from json_to_recordset(${JSON.stringify(entries)}::text::json)
      as entry (tenant text, principal text, action text, subject text, details jsonb)`
}
