import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GatewayProcess, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument } from '../support/generated/operations.js'
import { type CallResults, CLIENTS, type Failure, missing, newCall, runLoad, send } from '../support/load.js'
import { present, until } from '../support/process.js'
import { preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { subscribe } from '../support/subscription.js'

const SCORER = { roles: ['SCORER'], subject: 'web-shop' } as const
const BEFORE = 150
const AFTER = 150

/** The failed calls whose answers are wrong. */
function badFailures(failed: readonly Failure[]): Failure[] {
  const codes = ['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN']
  return failed.filter(({ status, code, retryable }) => status !== 503 || !codes.includes(code) || !retryable)
}

describe.skipIf(process.platform !== 'linux')('a gateway whose own PostgreSQL dies', () => {
  let state: StateDirectory
  let gateway: GatewayProcess
  const everything: CallResults = { acknowledged: [], failed: [], unanswered: [] }

  beforeAll(async () => {
    state = preparedStateDirectory()
    gateway = await spawnGateway({ RISKGATE_STATE_DIR: state.path, ...TEST_KEY })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await state[Symbol.asyncDispose]()
  })

  /** Runs load before, during and after the accident. */
  async function loadAround(accident: () => void): Promise<CallResults> {
    let struckAt: number | undefined
    return runLoad(await gateway.as(SCORER), ({ acknowledged, failed }) => {
      const isDue = struckAt === undefined ? acknowledged.length >= BEFORE : acknowledged.length >= struckAt + AFTER
      if (!isDue) return false
      // An accident between two statements may harm no call: then another one follows.
      if (struckAt !== undefined && failed.length > 0) return true
      accident()
      struckAt = acknowledged.length
      return false
    })
  }

  it.each([
    ['all its processes', () => state.postgresProcesses()],
    ['the postmaster', () => [state.postmaster()]],
    ['one backend', () => [state.backend()]],
  ])('by kill -9 of %s loses nothing, and serves again by itself', async (_what, victims) => {
    const results = await loadAround(() => {
      for (const pid of victims()) process.kill(pid, 'SIGKILL')
    })
    expect(results.failed.length).toBeGreaterThan(0)
    expect(badFailures(results.failed)).toEqual([])
    expect(results.unanswered).toEqual([])
    expect(gateway.isRunning).toBe(true)
    expect(await missing(await gateway.as({ roles: ['ANALYST'] }), results)).toEqual([])
    everything.acknowledged.push(...results.acknowledged)
    everything.failed.push(...results.failed)
  })

  it('sends a subscriber the alerts from before and after, each once', async () => {
    const monitor = await gateway.as({ roles: ['MONITOR'] })
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    const scorer = await gateway.as(SCORER)
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    const scoreOne = () => send(scorer, { applicantId: `subscribed-${results.acknowledged.length}-1` }, results)
    await scoreOne()
    const first = await alerts.next()
    process.kill(state.postmaster(), 'SIGKILL')
    await until(async () => {
      await scoreOne()
      return results.acknowledged.length === 2
    })
    const seen = [first.highRiskScored.id]
    const last = present(results.acknowledged[1]).id
    while (!seen.includes(last)) seen.push((await alerts.next()).highRiskScored.id)
    expect(seen).toContain(results.acknowledged[0]?.id)
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('or freezes answers 503 meanwhile, stays alive, and serves again afterwards', async () => {
    const [scorer, analyst] = [await gateway.as(SCORER), await gateway.as({ roles: ['ANALYST'] })]
    const frozen = state.postgresProcesses()
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    const calls = Array.from({ length: CLIENTS }, newCall)
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
    try {
      // A further call comes after these, when their connections have been replaced.
      await Promise.all(calls.map(call => send(scorer, call, results)))
      await send(scorer, newCall(), results)
      expect(results.failed).toHaveLength(CLIENTS + 1)
      expect(badFailures(results.failed)).toEqual([])
      expect((await fetch(`${gateway.url}/readyz`)).status).toBe(503)
      expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT')
    }
    await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 200)
    await until(async () => {
      await send(scorer, newCall(), results)
      return results.acknowledged.length >= 10
    })
    expect(badFailures(results.failed)).toEqual([])
    expect(await missing(analyst, results)).toEqual([])
    everything.failed.push(...results.failed)
  })

  it('stores one row when each failed key is sent again', async () => {
    const scorer = await gateway.as(SCORER)
    const keyed = everything.failed.filter(({ idempotencyKey }) => idempotencyKey !== undefined)
    expect(keyed.length).toBeGreaterThan(0)
    const retried: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    const again = keyed.map(({ applicantId, idempotencyKey = '' }) => ({ applicantId, idempotencyKey }))
    await Promise.all([...again, ...again].map(call => send(scorer, call, retried)))
    expect(retried).toMatchObject({ failed: [], unanswered: [] })
    for (const { applicantId } of again) {
      const ids = retried.acknowledged.filter(call => call.applicantId === applicantId).map(({ id }) => id)
      expect(new Set(ids).size).toBe(1)
    }
  })

  it('still has every prediction that it acknowledged', async () => {
    expect(everything.acknowledged.length).toBeGreaterThanOrEqual(3 * (BEFORE + AFTER))
    expect(await missing(await gateway.as({ roles: ['ANALYST'] }), everything)).toEqual([])
    expect(gateway.isRunning).toBe(true)
  })
})
