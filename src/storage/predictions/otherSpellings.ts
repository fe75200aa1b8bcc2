import { storedReference } from '../../scoring/reference.js'
import type { Database } from '../postgres/database.js'
import type { Checked } from './textCheckRounds.js'

// Read within some 30 ms.
const ROWS_A_PAGE = 20_000

/**
 * The other spellings of a reference that stored predictions may have because an older gateway runs beside this one, and no round has
 * come to them yet.
 */
export async function otherSpellings(
  database: Database,
  { tenant, applicantId }: { readonly tenant: string; readonly applicantId: string },
  { isComplete, upTo }: Checked,
): Promise<readonly string[]> {
  if (!isComplete || upTo === undefined) return []
  // Looked for by itself: the clock of the older gateway may be far behind, and so may its ids.
  const found = new Set([applicantId.normalize('NFD')])
  for (let last: string | null = upTo; last !== null; ) {
    const page = await readPage(database, tenant, last)
    for (const text of page.odd) if (storedReference(text) === applicantId) found.add(text)
    last = page.last
  }
  found.delete(applicantId)
  return [...found]
}

interface Page {
  /** References that may have another form. */
  readonly odd: readonly string[]
  /** The id of the last row, where more may follow. */
  readonly last: string | null
}

async function readPage(database: Database, tenant: string, after: string): Promise<Page> {
  const [page] = await database.read(
    ({ sql }) => sql<Page[]>`
      with page as materialized (
        select id, applicant_id from predictions where tenant = ${tenant} and id > ${after}::uuid order by id limit ${ROWS_A_PAGE}
      )
      select
        (select coalesce(json_agg(distinct applicant_id), '[]') from page where applicant_id ~ '[^!-~]') as odd,
        (select id from page order by id offset ${ROWS_A_PAGE - 1}) as last`,
  )
  return page as Page
}
