import type { ISql, PendingQuery, Row } from 'postgres'

/** What is audited: who may be asked for it later looks for these. */
export type AuditAction =
  | 'outcome.recorded'
  | 'applicant.erased'
  | 'history.export-begun'
  | 'history.exported'
  | 'webhook.created'
  | 'webhook.secret-rotated'
  | 'webhook.deleted'
  | 'webhook.redelivered'

export interface AuditActor {
  readonly tenant: string
  readonly principal: string
}

type Fragment = PendingQuery<Row[]>

/**
 * The insert of one audit entry for each of `rows`, to stand beside the change that it tells of in one statement. `subject` and
 * `details` (JSON) are expressions over a row.
 */
export function auditInsert(
  sql: ISql,
  action: AuditAction,
  { tenant, principal }: AuditActor,
  { rows, subject, details }: { readonly rows: Fragment; readonly subject: Fragment; readonly details: Fragment },
): Fragment {
  return sql`
    insert into audit_entries (tenant, at, principal, action, subject, details)
    select ${tenant}, clock_timestamp(), ${principal}, ${action}, ${subject}, ${details} from ${rows}`
}
