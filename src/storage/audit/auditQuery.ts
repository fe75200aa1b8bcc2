export interface AuditFilter {
  readonly action?: string | undefined
  readonly principal?: string | undefined
  /** The subject must equal each of them. */
  readonly subjects: readonly string[]
  /** Other digests that the first subject may have, from before texts had one form. */
  readonly formerly?: readonly string[] | undefined
  /** Inclusive. */
  readonly from?: Date | undefined
  /** Exclusive. */
  readonly to?: Date | undefined
}

export interface AuditQuery {
  readonly tenant: string
  readonly filter: AuditFilter
  /** Entries of the page, from its beginning, or from its end when `backward`. */
  readonly size: number
  readonly backward: boolean
  /** Both exclusive. */
  readonly after?: string | undefined
  readonly before?: string | undefined
}

export interface AuditEntry {
  readonly id: string
  readonly at: Date
  readonly principal: string
  readonly action: string
  readonly subject: string
  readonly details: unknown
  /** Whether a seal covers it. */
  readonly sealed: boolean
}

export interface AuditPage {
  /** Newest first. */
  readonly entries: readonly (AuditEntry & { readonly cursor: string })[]
  /** Whether entries follow in the direction of reading, or may follow: matching entries can be too far off to look for. */
  readonly hasMore: boolean
  /** The last entry that was read, when the page ended there although more may match. */
  readonly reached?: string
}
