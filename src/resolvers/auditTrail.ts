import type { Principal } from '../auth/principal.js'
import type { AuditDigest } from '../storage/audit/auditDigest.js'
import type { NewAuditEntry } from '../storage/audit/auditEntries.js'
import type { AuditWriter } from '../storage/audit/auditWriter.js'

// However many rows one load of a large query brings. A thousand entries are read at once to be sealed: were they much larger than
// those of a page, that could take longer than a statement may, again and again, and nothing would be sealed any more.
const MAX_IDS_AN_ENTRY = 100
// By their references, in one operation: it has at most 15 aliases. More are those of the rows of a list, which has its entry.
const MOST_APPLICANTS_ASKED_FOR = 16

export interface AuditParts {
  /** Takes the entries. Where it fails, nothing may be shown. */
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
 * Notes what one principal is shown of personal data. Each of its methods is waited for before anything is answered. Applicants'
 * references, and all texts that a caller filters by, come in as keyed digests.
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

  /** A list of predictions; of an applicant when the filter names one. */
  async list(
    operation: string,
    filter: object & { readonly applicantId?: string | undefined },
    shown: readonly Shown[],
  ): Promise<void> {
    const { applicantId, ...rest } = filter
    const subject = applicantId === undefined ? this.#principal.tenant : this.#digest(applicantId)
    await this.#writeIds('history.read', subject, { operation, filter: this.#withoutTexts(rest) }, shown)
  }

  /** Predictions of applicants, each the subject of an entry of its own; of those on a list, in one. */
  async applicants(operation: string, shown: readonly ApplicantShown[]): Promise<void> {
    if (shown.length > MOST_APPLICANTS_ASKED_FOR) {
      return this.#writeIds(
        'history.read',
        this.#principal.tenant,
        { operation },
        shown.flatMap(({ predictions }) => predictions),
      )
    }
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

  /** A subscription that begins: its events are executed once for all who subscribed alike, so it is the record of them. */
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

  /** A filter without what its caller wrote freely, and without what it leaves open. */
  #withoutTexts(filter: object): Record<string, unknown> {
    const given = Object.entries(filter).filter(([, value]) => value !== undefined && value !== null)
    return Object.fromEntries(given.map(([name, value]) => [name, this.#withoutText(value)]))
  }

  #withoutText(value: unknown): unknown {
    if (typeof value === 'string') return this.#digest(value)
    // Each once: a caller may repeat a band as often as the body allows.
    return Array.isArray(value) ? [...new Set(value)] : value
  }
}
