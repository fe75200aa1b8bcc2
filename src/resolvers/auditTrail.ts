import type { Principal } from '../auth/principal.js'
import type { AuditDigest } from '../storage/audit/auditDigest.js'
import type { NewAuditEntry } from '../storage/audit/auditEntries.js'
import type { AuditWriter } from '../storage/audit/auditWriter.js'

// A bound for loads of large queries, which may bring many more rows than a page. One statement of sealing reads a thousand
// entries. If they were much larger than those of a page, it could exceed its deadline again and again, and nothing more would be
// sealed.
const MAX_IDS_AN_ENTRY = 100

export interface AuditParts {
  /** Stores the entries. If that fails, nothing may be shown. */
  readonly writer: Pick<AuditWriter, 'write'>
  readonly digest: AuditDigest
}

interface Shown {
  readonly id: string
}

interface ApplicantShown {
  readonly applicantId: string
  readonly predictions: readonly Shown[]
}

/**
 * Records in the audit which personal data one principal is shown. Callers await each method before they answer. Applicants'
 * references, and all texts that a caller filters by, are stored as keyed digests.
 */
export class AuditTrail {
  readonly #parts: AuditParts
  readonly #principal: Principal

  constructor(parts: AuditParts, principal: Principal) {
    this.#parts = parts
    this.#principal = principal
  }

  /** Single predictions, each the subject of an entry. */
  async predictions(operation: string, shown: readonly Shown[]): Promise<void> {
    await this.#write(shown.map(({ id }) => this.#entry('history.read', id, { operation, ids: [id] })))
  }

  /** A list of predictions. Its subject is the applicant where the filter names one, else the tenant. */
  async list(
    operation: string,
    filter: object & { readonly applicantId?: string | undefined },
    shown: readonly Shown[],
  ): Promise<void> {
    const { applicantId, ...rest } = filter
    const subject = applicantId === undefined ? this.#principal.tenant : this.#digest(applicantId)
    await this.#writeIds('history.read', subject, { operation, filter: this.#withoutTexts(rest) }, shown)
  }

  /** Predictions of applicants, each the subject of an entry. */
  async applicants(operation: string, shown: readonly ApplicantShown[]): Promise<void> {
    await this.#write(
      shown.map(({ applicantId, predictions }) =>
        this.#entry('history.read', this.#digest(applicantId), { operation, ids: predictions.map(({ id }) => id) }),
      ),
    )
  }

  async features(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return
    const subject = ids.length === 1 ? (ids[0] as string) : this.#principal.tenant
    await this.#writeIds(
      'features.read',
      subject,
      {},
      ids.map(id => ({ id })),
    )
  }

  async alerts(filter: object, shown: readonly Shown[]): Promise<void> {
    await this.#writeIds(
      'alerts.read',
      this.#principal.tenant,
      { operation: 'alerts', filter: this.#withoutTexts(filter) },
      shown,
    )
  }

  /**
   * The start of a subscription. Its events are executed once for all who subscribed alike, so this entry is the record of them.
   */
  async subscription(filter: object, begun: { after: string | null; features: boolean; applicant: boolean }): Promise<void> {
    const details = { ...begun, filter: this.#withoutTexts(filter) }
    await this.#write([this.#entry('alerts.subscribed', this.#principal.tenant, details)])
  }

  async audit(filter: object, shown: readonly Shown[]): Promise<void> {
    await this.#writeIds('audit.read', this.#principal.tenant, { filter: this.#withoutTexts(filter) }, shown)
  }

  async #writeIds(action: NewAuditEntry['action'], subject: string, details: object, shown: readonly Shown[]): Promise<void> {
    const entries: NewAuditEntry[] = []
    for (let first = 0; first === 0 || first < shown.length; first += MAX_IDS_AN_ENTRY) {
      const ids = shown.slice(first, first + MAX_IDS_AN_ENTRY).map(({ id }) => id)
      entries.push(this.#entry(action, subject, { ...details, ids }))
    }
    await this.#write(entries)
  }

  async #write(entries: readonly NewAuditEntry[]): Promise<void> {
    if (entries.length > 0) await this.#parts.writer.write(entries)
  }

  #entry(action: NewAuditEntry['action'], subject: string, details: NewAuditEntry['details']): NewAuditEntry {
    const { tenant, id: principal } = this.#principal
    return { tenant, principal, action, subject, details }
  }

  #digest(text: string): string {
    return this.#parts.digest(this.#principal.tenant, text)
  }

  /** A filter with its caller's texts as digests, and without the conditions that are not set. */
  #withoutTexts(filter: object): Record<string, unknown> {
    const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null)
    return Object.fromEntries(given.map(([name, value]) => [name, this.#withoutText(value)]))
  }

  #withoutText(value: unknown): unknown {
    if (typeof value === 'string') return this.#digest(value)
    // Each value once: a caller may repeat a band as often as the body allows.
    return Array.isArray(value) ? [...new Set(value)] : value
  }
}
