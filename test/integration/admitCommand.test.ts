import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { isSignedBy } from '../../src/releases/admission/reportSignature.js'
import { migrateDatabase } from '../../src/storage/migrate.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { createDatabase, type TestDatabase } from '../support/database.js'
import { TEST_RELEASE_KEY } from '../support/gateway.js'
import { runCommand } from '../support/gatewayProcess.js'
import { storesOf } from '../support/stores.js'

const MODEL = 'consumer-credit'
const GOLDEN_ROWS = 300

let database: TestDatabase
let directory: string
beforeAll(async () => {
  database = await createDatabase()
  await migrateDatabase(database.url)
  directory = await mkdtemp(join(tmpdir(), 'riskgate-admit-'))
  await cp('models', directory, { recursive: true })
  for (const version of ['1', '2']) {
    const file = join(directory, MODEL, version, 'golden.jsonl')
    await writeFile(file, (await readFile(file, 'utf8')).split('\n').slice(0, GOLDEN_ROWS).join('\n'))
  }
})
afterAll(async () => {
  await database[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

const run = (...arguments_: string[]) =>
  runCommand(['model', ...arguments_], { DATABASE_URL: database.url, RISKGATE_RELEASE_KEY: TEST_RELEASE_KEY })

async function stored() {
  await using stores = storesOf(database.url)
  return (await new PostgresVersionStore(stores.database).state()).versions
}

it('model check --admit puts checked versions with signed reports into the version store, and says so', async () => {
  expect(await run('check', directory)).toMatchObject({ status: 0, stdout: expect.not.stringContaining('version store') })
  expect(await stored()).toEqual([])
  const { status, stdout } = await run('check', directory, '--admit')
  expect(status).toBe(0)
  for (const version of ['1', '2']) expect(stdout).toMatch(new RegExp(`ok +${MODEL}/${version} +stands in the version store`))
  const versions = await stored()
  expect(versions.map(({ version, origin, report }) => [version, origin, report.problems])).toEqual([
    ['1', { source: 'folder' }, []],
    ['2', { source: 'folder' }, []],
  ])
  for (const { report, signature = '' } of versions) {
    expect(isSignedBy(report, signature, Buffer.from(TEST_RELEASE_KEY))).toBe(true)
  }
  expect((await run('promote', MODEL, '2', '--reason', 'Checked.')).status).toBe(0)
})

it('model check --admit can be repeated, and stores a version that fails as REJECTED beside the others', async () => {
  const before = await stored()
  await cp(join(directory, MODEL, '1'), join(directory, MODEL, '3'), { recursive: true })
  await appendFile(join(directory, MODEL, '3', 'model.onnx'), 'x')
  const { status, stdout } = await run('check', directory, '--admit')
  expect(status).toBe(1)
  expect(stdout).toMatch(/PROBLEM +consumer-credit\/3 +consumer-credit\/3\/manifest\.json: version must be "3"/)
  expect((await stored()).slice(0, 2)).toEqual(before)
  expect(await stored()).toMatchObject([{ version: '1' }, { version: '2' }, { version: '3', files: [] }])
})

it('model check --admit takes one version alone, and no graph without its folder', async () => {
  const { stdout } = await run('check', join(directory, MODEL, '1'), '--admit')
  expect(stdout).toContain(`${MODEL}/1`)
  expect(stdout).not.toContain(`${MODEL}/2 `)
  expect(await run('check', join(directory, MODEL, '1', 'model.onnx'), '--admit')).toMatchObject({
    status: 1,
    stderr: expect.stringContaining('is a graph alone'),
  })
})
