import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AppError } from '../../src/errors.js'
import { startEmbeddedPostgres } from '../../src/storage/embedded/embeddedPostgres.js'
import { until } from '../support/process.js'
import { preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { newPrediction, openStores, type TestStores } from '../support/stores.js'

const TICK_MS = 10
const FROZEN_MS = 4_000
// The gateway answers within 1.5 s. A busy machine is late; a queue that only grows would be later at the higher rates.
const LATEST_MS = 2 * 1_500

interface Answer {
  readonly code: string
  readonly ms: number
}

async function timed(stores: TestStores): Promise<Answer> {
  const startedAt = performance.now()
  const code = await stores.predictions.record(newPrediction()).then(
    () => 'OK',
    (error: AppError) => error.code,
  )
  return { code, ms: performance.now() - startedAt }
}

/** Records rows at a steady rate, and answers how each of them ended. */
async function recordAtRate(stores: TestStores, rowsASecond: number): Promise<Answer[]> {
  const answers: Promise<Answer>[] = []
  const startedAt = performance.now()
  for (let passed = 0; passed < FROZEN_MS; passed = performance.now() - startedAt) {
    while (answers.length < (passed * rowsASecond) / 1_000) answers.push(timed(stores))
    await sleep(TICK_MS)
  }
  return Promise.all(answers)
}

describe.skipIf(process.platform !== 'linux')('while PostgreSQL is frozen', () => {
  let state: StateDirectory
  let server: Awaited<ReturnType<typeof startEmbeddedPostgres>>
  let stores: TestStores
  let frozen: number[] = []

  const thaw = () => {
    for (const pid of frozen.splice(0)) process.kill(pid, 'SIGCONT')
  }
  const freeze = () => {
    frozen = state.postgresProcesses()
    for (const pid of frozen) process.kill(pid, 'SIGSTOP')
  }

  beforeAll(async () => {
    state = preparedStateDirectory()
    server = await startEmbeddedPostgres({ stateDirectory: state.path, log: () => {} })
    stores = await openStores(server.url)
  })
  afterAll(async () => {
    thaw()
    await stores?.[Symbol.asyncDispose]()
    await server?.stop()
    await state?.[Symbol.asyncDispose]()
  })

  it.each([200, 800, 3_200])('%i rows a second are all refused in time, and the store serves again afterwards', async rate => {
    expect((await timed(stores)).code).toBe('OK')
    freeze()
    const answers = await recordAtRate(stores, rate)
    thaw()
    expect(new Set(answers.map(({ code }) => code))).toEqual(new Set(['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN']))
    expect(Math.max(...answers.map(({ ms }) => ms))).toBeLessThan(LATEST_MS)
    expect(stores.predictions.queued).toBe(0)
    await until(async () => (await timed(stores)).code === 'OK')
  })
})
