import { expect, it } from 'vitest'
import { JobQueue } from '../../src/storage/jobs/jobQueue.js'
import { createTestDatabase } from '../support/database.js'
import { openStores } from '../support/stores.js'
import { passTime } from '../support/webhooks.js'

const NOTHING = { text: (first: number) => `select $${first}::text`, parameters: [null] }

it('a job is given to another gateway after the time limit of its own queue, and not before', async () => {
  await using database = await createTestDatabase()
  await using _stores = await openStores(database.url)
  const jobs = new JobQueue({ url: database.url, warn: () => {} })
  try {
    for (const [queue, expirySeconds] of [['short', 30] as const, ['long', 3_600] as const]) {
      await jobs.open(queue)
      await jobs.add([{ queue, data: { of: queue } }], { expirySeconds, retries: 5, retrySeconds: 0 }, NOTHING)
      expect(await jobs.take(queue, 10)).toMatchObject([{ data: { of: queue } }])
    }
    await database.sql`update pgboss.job set started_on = started_on - interval '10 minutes' where state = 'active'`
    await jobs.expire()
    await passTime(database)
    expect(await jobs.take('long', 10)).toEqual([])
    expect(await jobs.take('short', 10)).toMatchObject([{ data: { of: 'short' } }])
  } finally {
    await jobs.end()
  }
})
