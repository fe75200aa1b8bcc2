import { unexpected } from '../observability/logger.js'
import type { Metrics } from '../observability/metrics.js'
import { type AuditDigest, auditDigestWith, readAuditKey } from '../storage/audit/auditDigest.js'
import { AuditReader } from '../storage/audit/auditReader.js'
import { AuditSealer } from '../storage/audit/auditSealer.js'
import { AuditWriter } from '../storage/audit/auditWriter.js'
import { EntryIds } from '../storage/audit/entryIds.js'
import type { Kit } from './kit.js'
import { patiently } from './patiently.js'

const SEAL_EVERY_MS = 1_500

export interface Audit {
  readonly digest: AuditDigest
  readonly writer: AuditWriter
  readonly reader: AuditReader
}

/** Writes, reads and seals the audit. Each seal is logged: a person who can rewrite the database cannot rewrite the log. */
export async function startAudit({ database, metrics, logger, upkeep }: Kit): Promise<Audit> {
  const sealer = new AuditSealer(database, ({ number, entries, hash }) =>
    logger.info({ seal: number, entries, hash }, 'audit sealed'),
  )
  measure(sealer, metrics)
  upkeep({ name: 'seals of the audit', everyMs: SEAL_EVERY_MS, run: signal => sealer.run(signal) })
  const key = await patiently(() => readAuditKey(database))
  return {
    digest: auditDigestWith(key),
    writer: new AuditWriter(database, error =>
      logger.error(unexpected(error), 'the audit cannot be written; reads of personal data are refused'),
    ),
    reader: new AuditReader(database, new EntryIds(key)),
  }
}

function measure(sealer: AuditSealer, metrics: Metrics): void {
  metrics.gauge(
    'audit_unsealed_entries',
    'Entries of the audit that are not sealed yet; the count stops at 10,000.',
    () => sealer.backlog.entries,
  )
  metrics.gauge('audit_unsealed_seconds', 'Age of the oldest entry of the audit that is not sealed yet.', () => {
    const { oldestAt } = sealer.backlog
    return oldestAt ? Math.max(0, Date.now() - oldestAt.getTime()) / 1_000 : 0
  })
  metrics.gauge(
    'audit_last_seal_timestamp_seconds',
    'When the audit was last sealed, in seconds since 1970; 0 if it never was.',
    () => (sealer.backlog.lastSealAt?.getTime() ?? 0) / 1_000,
  )
}
