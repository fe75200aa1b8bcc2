import { Arg, Ctx, Int, Query, Resolver } from 'type-graphql'
import { AuditEntryConnection, AuditFilter } from '../schema/audit.js'
import { Cost } from '../schema/cost.js'
import { requireFindable } from '../scoring/reference.js'
import type { AuditDigest } from '../storage/audit/auditDigest.js'
import type { AuditReader } from '../storage/audit/auditReader.js'
import type { RequestContext } from './context.js'
import { pageInfo, pageRequest, rowsOfPage } from './paging.js'

@Resolver()
export class AuditResolver {
  readonly #entries: AuditReader
  readonly #digest: AuditDigest

  constructor(entries: AuditReader, digest: AuditDigest) {
    this.#entries = entries
    this.#digest = digest
  }

  @Cost({ rows: rowsOfPage })
  @Query(() => AuditEntryConnection, {
    description:
      'The audit of the tenant: who did what to which data, newest first. Page size 1..100, 20 by default. Reading a page adds an entry of its own. A cursor belongs to its filter; with another one it is BAD_CURSOR. Where a filter skips many entries, a page can be short or empty although more follow: continue from its endCursor (backwards: startCursor).',
  })
  async auditEntries(
    @Ctx() { principal: { tenant }, audit }: RequestContext,
    @Arg('first', () => Int, { nullable: true }) first?: number | null,
    @Arg('after', () => String, { nullable: true }) after?: string | null,
    @Arg('last', () => Int, { nullable: true }) last?: number | null,
    @Arg('before', () => String, { nullable: true }) before?: string | null,
    @Arg('filter', () => AuditFilter, { nullable: true }) filter?: AuditFilter | null,
  ): Promise<AuditEntryConnection> {
    const request = pageRequest({ first, after, last, before })
    if (filter?.applicantId != null) requireFindable(filter.applicantId, 'filter', 'applicantId')
    const page = await this.#entries.page({ ...request, tenant, filter: this.#toFilter(tenant, filter ?? {}) })
    await audit.audit(filter ?? {}, page.entries)
    return {
      edges: page.entries.map(({ cursor, ...node }) => ({ cursor, node })),
      nodes: [...page.entries],
      pageInfo: pageInfo(page, request),
    }
  }

  /** Null means the same as absent. */
  #toFilter(tenant: string, { action, principal, applicantId, subject, at }: AuditFilter) {
    const decomposed = applicantId?.normalize('NFD')
    return {
      action: action ?? undefined,
      principal: principal ?? undefined,
      subjects: [...(applicantId == null ? [] : [this.#digest(tenant, applicantId)]), ...(subject == null ? [] : [subject])],
      // What was erased under this form, by an older version, is not stored under it any more.
      formerly: decomposed == null || decomposed === applicantId ? [] : [this.#digest(tenant, decomposed)],
      from: at?.from ?? undefined,
      to: at?.to ?? undefined,
    }
  }
}
