import { and, eq, inArray } from 'drizzle-orm'
import { canonicalTexts } from '../../scoring/canonicalText.js'
import type { LatestPredictions } from '../../scoring/latestPredictions.js'
import { ERASED_PREFIX } from '../../scoring/prediction.js'
import { storedReference } from '../../scoring/reference.js'
import type { AuditDigest } from '../audit/auditDigest.js'
import type { Connections, Database } from '../postgres/database.js'
import { predictions } from '../tables/predictions.js'
import { predictionColumns, toPrediction } from './predictionRow.js'
import { beginRound, closeRound, type OpenRound, openRound, turnPage } from './textCheckRounds.js'

const ROWS_A_PAGE = 2_000
// Each row moves in every index: a statement stays below 100 ms.
const ROWS_A_STATEMENT = 20

interface StoredTexts {
  readonly id: string
  readonly applicantId: string
  readonly channel: string | null
  readonly features: Readonly<Record<string, unknown>> | null
}

interface Page {
  /** Rows with texts that may have another form. */
  readonly odd: readonly StoredTexts[]
  /** The id of the last row, where more may follow. */
  readonly last: string | null
  readonly nextTenant: string | null
}

/** Brings the texts of stored predictions into their canonical form: those of older versions, and of older gateways beside this one. */
export class TextCheck {
  readonly #database: Database
  readonly #digest: AuditDigest
  readonly #remember: LatestPredictions['remember']

  constructor(database: Database, digest: AuditDigest, remember: LatestPredictions['remember']) {
    this.#database = database
    this.#digest = digest
    this.#remember = remember
  }

  /**
   * Goes on with the round that is open, or begins one, until it has run about so many statements. Several gateways may run it: one that finds its page
   * turned by another leaves the round to that one. Answers how many rows it changed.
   */
  async run(signal: AbortSignal, mostStatements = Number.POSITIVE_INFINITY): Promise<number> {
    let changed = 0
    let statements = 0
    let round = (await openRound(this.#database)) ?? (await beginRound(this.#database))
    while (round && statements < mostStatements && !signal.aborted) {
      const { odd, last, nextTenant } = await this.#page(round)
      const rewritten = await this.#rewrite(round.tenant, odd)
      changed += rewritten
      statements += 1 + rewritten / ROWS_A_STATEMENT
      if (last !== null) round = await turnPage(this.#database, round, { tenant: round.tenant, lastId: last })
      else if (nextTenant !== null) round = await turnPage(this.#database, round, { tenant: nextTenant, lastId: round.from })
      else round = await closeRound(this.#database, round)
    }
    return changed
  }

  async #page({ tenant, lastId, to }: OpenRound): Promise<Page> {
    const [page] = await this.#database.read(
      ({ sql }) => sql<Page[]>`
        with page as materialized (
          select id, applicant_id, channel, features from predictions
          where tenant = ${tenant} and id > ${lastId}::uuid and id < ${to}::uuid order by id limit ${ROWS_A_PAGE}
        )
        select
          (select coalesce(json_agg(json_build_object('id', id, 'applicantId', applicant_id, 'channel', channel, 'features', features)), '[]')
            from page where applicant_id ~ '[^!-~]' or channel ~ '[^!-~]' or features::text ~ '[^ -~]') as odd,
          (select id from page order by id offset ${ROWS_A_PAGE - 1}) as last,
          (select tenant from predictions where tenant > ${tenant} order by tenant limit 1) as "nextTenant"`,
    )
    return page as Page
  }

  async #rewrite(tenant: string, rows: readonly StoredTexts[]): Promise<number> {
    const wanted = rows.flatMap(row => {
      const canonical = canonicalRow(row)
      return canonical === undefined ? [] : { ...canonical, former: row.applicantId }
    })
    for (let first = 0; first < wanted.length; first += ROWS_A_STATEMENT) {
      const part = wanted.slice(first, first + ROWS_A_STATEMENT)
      await this.#database.writeBulk(({ sql }) => rewriteStatement(sql, tenant, part, this.#formerOf(tenant, part)))
      await this.#rememberNewest(
        tenant,
        part.map(({ id }) => id),
      )
    }
    return wanted.length
  }

  #formerOf(tenant: string, rows: readonly { applicantId: string; former: string }[]) {
    return rows
      .filter(({ applicantId, former }) => applicantId !== former)
      .map(({ applicantId, former }) => ({ digest: this.#digest(tenant, applicantId), former: this.#digest(tenant, former) }))
  }

  /** What the cache holds under the canonical reference may be older than a row that has come to it. */
  async #rememberNewest(tenant: string, ids: readonly string[]): Promise<void> {
    const rows = await this.#database.read(({ db }) =>
      db
        .select(predictionColumns)
        .from(predictions)
        .where(and(eq(predictions.tenant, tenant), inArray(predictions.id, [...ids]))),
    )
    await this.#remember(rows.filter(({ applicantId }) => !applicantId.startsWith(ERASED_PREFIX)).map(toPrediction))
  }
}

/** The row with canonical texts; undefined where it has them already. */
function canonicalRow(row: StoredTexts): StoredTexts | undefined {
  const applicantId = storedReference(row.applicantId)
  const canonical = {
    id: row.id,
    // It would look like an erased one.
    applicantId: applicantId.startsWith(ERASED_PREFIX) ? row.applicantId : applicantId,
    channel: row.channel === null ? null : storedReference(row.channel),
    features: canonicalTexts(row.features),
  }
  const isSame =
    canonical.applicantId === row.applicantId && canonical.channel === row.channel && canonical.features === row.features
  return isSame ? undefined : canonical
}

/** Leaves a row alone that was erased meanwhile. Locks in the order of ids, as erasure does, so that the two do not deadlock. */
async function rewriteStatement(
  sql: Connections['sql'],
  tenant: string,
  rows: readonly (StoredTexts & { readonly former: string })[],
  former: readonly { readonly digest: string; readonly former: string }[],
): Promise<void> {
  const ids = rows.map(({ id }) => id)
  await sql`
    with wanted as (
      select * from json_to_recordset(${JSON.stringify(rows)}::text::json)
        as row (id uuid, "applicantId" text, channel text, features jsonb, former text)
    ), locked as (
      select id from predictions where tenant = ${tenant} and id = any(${ids}::uuid[]) order by id for no key update
    ), rewritten as (
      update predictions set applicant_id = wanted."applicantId", channel = wanted.channel, features = wanted.features
      from wanted, locked
      where predictions.tenant = ${tenant} and predictions.id = any(${ids}::uuid[]) and predictions.id = locked.id
        and predictions.id = wanted.id and predictions.applicant_id = wanted.former
    )
    insert into former_references (tenant, digest, former)
    select distinct ${tenant}, digest, former from json_to_recordset(${JSON.stringify(former)}::text::json) as row (digest text, former text)
    order by 1, 2, 3 on conflict do nothing`
}
