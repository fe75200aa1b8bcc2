import { describe, expect, it } from 'vitest'
import { workerServer } from '../support/database.js'
import { REDIS_SERVER } from '../support/redis.js'
import { type FaultOptions, runAlertFaults } from './alertFaults.js'
import { reportText } from './report.js'
import { judge } from './verdict.js'

/** A small form of `npm run test:alerts`. */
const OPTIONS: FaultOptions = {
  sockets: 10,
  alerts: 500,
  alertsPerSecond: 100,
  disconnects: 5,
  kills: 1,
  redisRestarts: 1,
  slowCommits: 10,
  seed: 1,
}

describe.skipIf(!REDIS_SERVER)('two gateways under faults', () => {
  it('deliver every acknowledged alert to every subscriber in order, and repeat one only straight after a resume', async () => {
    const result = await runAlertFaults(OPTIONS, {
      postgresUrl: workerServer().url,
      signal: new AbortController().signal,
      progress: () => {},
    })
    const verdict = judge(result)
    expect(verdict.problems, reportText(OPTIONS, result, verdict)).toEqual([])
    expect(result.stored.size).toBe(OPTIONS.alerts)
    expect(verdict.lost).toEqual(Array(OPTIONS.sockets).fill(0))
    // Sockets resume after a forced cut, and after their gateway was killed.
    expect(verdict.resumes).toBeGreaterThan(OPTIONS.disconnects)
    expect(result.outages).toHaveLength(OPTIONS.kills + OPTIONS.redisRestarts)
  }, 60_000)
})
