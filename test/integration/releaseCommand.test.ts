import { afterAll, beforeAll, expect, it } from 'vitest'
import { ShadowStore } from '../../src/storage/releases/shadowStore.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { runCommand } from '../support/gatewayProcess.js'
import { newVersion } from '../support/releases.js'
import { newPrediction, storesOf } from '../support/stores.js'

const MODEL = 'consumer-credit'
const REASON = ['--reason', 'Better on the held-out rows.']

let database: TestDatabase
beforeAll(async () => {
  database = await createTestDatabase()
  await using stores = storesOf(database.url)
  const versions = new PostgresVersionStore(stores.database)
  await versions.put(newVersion({ version: '1' }))
  await versions.put(
    newVersion({ version: '2', manifest: { bands: { cutoffs: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], highRiskFrom: 'T8' } } }),
  )
  await versions.put(newVersion({ version: '3', report: { problems: ['its output is constant.'] } }))
  const { prediction } = newPrediction({ modelVersion: '1', probability: 0.25, band: 'T6', highRisk: false })
  await stores.predictions.record({ prediction, features: {}, idempotency: undefined })
  const { id: predictionId, tenant, model, createdAt } = prediction
  await new ShadowStore(stores.database).record([
    { predictionId, tenant, model, version: '2', probability: 0.5, band: 'T5', createdAt },
  ])
})
afterAll(() => database[Symbol.asyncDispose]())

const run = (arguments_: readonly string[], environment: Record<string, string> = {}) =>
  runCommand(['model', ...arguments_], { DATABASE_URL: database.url, ...environment })
const rowsOf = async (...arguments_: string[]) =>
  (await run(arguments_)).stdout
    .trimEnd()
    .split('\n')
    .slice(1)
    .map(row => row.split('\t'))

it('model promote, split, rollback and retire change the rollout, and list and changes show it', async () => {
  expect(await run(['promote', MODEL, '1', ...REASON])).toMatchObject({
    status: 0,
    stdout: '',
    stderr: 'riskgate: applied. consumer-credit: champion 1.\n',
  })
  await run(['promote', MODEL, '2', ...REASON])
  expect((await run(['split', MODEL, '--shadow', '1=0.5', ...REASON])).stderr).toBe(
    'riskgate: applied. consumer-credit: champion 2, shadow 1 with 0.5.\n',
  )
  expect((await rowsOf('list')).map(row => row.slice(1, 4))).toEqual([
    ['1', 'SHADOW', '0.5'],
    ['2', 'CHAMPION', ''],
    ['3', 'REJECTED', ''],
  ])
  expect((await run(['rollback', MODEL, '--from', '2', ...REASON])).stderr).toContain('champion 1.')
  expect((await run(['retire', MODEL, '3', ...REASON])).stderr).toContain('applied')
  const changes = await rowsOf('changes', MODEL)
  expect(changes.map(([, , action, what]) => [action, what])).toEqual([
    ['RETIRE', '3'],
    ['ROLLBACK', 'from 2'],
    ['SPLIT', 'no challenger, shadow 1=0.5'],
    ['PROMOTE', '2'],
    ['PROMOTE', '1'],
  ])
  expect(changes[0]?.[5]).toMatch(/^cli:/)
})

it('a command refuses what the rules refuse, in a sentence', async () => {
  expect(await run(['promote', MODEL, '3', ...REASON])).toMatchObject({
    status: 1,
    stdout: '',
    stderr: 'riskgate: The version may not serve: its output is constant.\n',
  })
  expect((await run(['split', MODEL, '--challenger', '1=2', ...REASON])).status).toBe(1)
})

it('with RISKGATE_RELEASE_APPROVAL promote prints the id of a change that waits, and its proposer may only refuse it', async () => {
  const strict = { RISKGATE_RELEASE_APPROVAL: 'true' }
  const { stdout, stderr } = await run(['promote', MODEL, '2', ...REASON], strict)
  expect(stderr).toMatch(/^riskgate: proposed\. /)
  const own = await run(['approve', stdout.trim()], strict)
  expect(own).toMatchObject({ status: 1, stderr: expect.stringContaining('may not approve its own proposal') })
  expect((await run(['refuse', stdout.trim(), '--reason', 'A mistake.'], strict)).stderr).toMatch(/^riskgate: refused\. /)
})

it('model diff prints what differs, and where both have scored, how bands changed', async () => {
  const { status, stdout } = await run(['diff', MODEL, '2', '1'])
  expect(status).toBe(0)
  const lines = stdout.split('\n')
  expect(lines).toContain('T2 from\t0.1\t0.03')
  expect(lines).toContain('high risk from\tT8\tT7')
  expect(stdout).not.toContain('digest')
  expect(lines).toContain('1 applications scored by both; rows: band by 1, columns: band by 2')
  expect(lines).toContain('T6\t0\t0\t0\t0\t1\t0\t0\t0')
  expect(stdout).toContain('2 minus 1: mean 0.2500;')
})
