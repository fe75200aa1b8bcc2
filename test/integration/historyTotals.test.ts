import { expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { fillHistory } from '../support/historyRows.js'
import { until } from '../support/process.js'
import { openStores } from '../support/stores.js'

it.each([[['applicant-1']], [['applicant-1', 'applicant-2', 'applicant-3']]])(
  'estimates the totals of %j if counting takes longer than a statement may',
  async applicantIds => {
    await using database = await createTestDatabase()
    await using stores = await openStores(database.url)
    await fillHistory(database.sql, { rows: 2_000, months: 1 })
    const { sql } = database
    const holder = await sql.reserve()
    await holder`begin`
    await holder`lock table predictions`
    const totals = stores.history.totalsOfApplicants({ tenant: 'default' }, applicantIds)
    // Cancels the statement at once, as the statement timeout would later.
    await until(async () => {
      const cancelled = await sql`
        select pg_cancel_backend(pid) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like '%count(*)%'`
      return cancelled.length > 0
    })
    await holder`commit`
    holder.release()
    const answers = await totals
    expect(answers.map(({ exact }) => exact)).toEqual(applicantIds.map(() => false))
    for (const { count } of answers) expect(count).toBeGreaterThan(0)
    expect(await stores.history.totalsOfApplicants({ tenant: 'default' }, applicantIds)).toMatchObject(
      applicantIds.map(() => ({ exact: true })),
    )
  },
)
