import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  constants,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Prediction } from '../../src/scoring/prediction.js'
import { auditDigestWith, readAuditKey } from '../../src/storage/audit/auditDigest.js'
import { ensurePartitions } from '../../src/storage/postgres/partitions.js'
import { ErasureStore } from '../../src/storage/predictions/erasureStore.js'
import { createDatabase, createTestDatabase, type TestDatabase } from '../support/database.js'
import { testFolder } from '../support/folder.js'
import { runCommand, spawnGateway } from '../support/gatewayProcess.js'
import { lives, present, until } from '../support/process.js'
import { preparedStateDirectory } from '../support/stateDirectory.js'
import { idAt, newPrediction, openStores, type TestStores } from '../support/stores.js'

const MAIN = join(import.meta.dirname, '../../dist/main.js')
const MODELS = join(import.meta.dirname, '../../models')
const RANGE = ['--from', '2031-04-01', '--to', '2031-05-01']
const COLUMNS =
  'id,applicantId,model,modelVersion,probability,band,highRisk,channel,createdAt,requestedBy,defaulted,outcomeObservedAt,outcomeRecordedBy'
const MANY = 20_000

const directory = testFolder('export')

describe('riskgate export', () => {
  let database: TestDatabase
  let stores: TestStores
  let stored: Prediction[]
  const environment = () => ({ DATABASE_URL: database.url, RISKGATE_MODELS_DIR: MODELS, PATH: process.env.PATH ?? '' })
  const run = (...arguments_: string[]) => runCommand(['export', ...arguments_], environment())

  beforeAll(async () => {
    database = await createTestDatabase()
    stores = await openStores(database.url)
    await ensurePartitions(database.sql, new Date('2031-04-10'))
    const store = async (instant: string, given: Partial<Prediction> = {}) => {
      const createdAt = new Date(instant)
      const { prediction } = await stores.predictions.record(newPrediction({ id: idAt(createdAt), createdAt, ...given }))
      return prediction
    }
    await store('2031-03-31T23:59:59.999Z')
    stored = [
      await store('2031-04-01T00:00:00.000Z', { applicantId: '=cmd|calc', channel: 'web, "mobile"' }),
      await store('2031-04-15T12:00:00.000Z', { applicantId: '-7', probability: 1e-7 }),
      await store('2031-04-30T23:59:59.999Z', { applicantId: 'erased-later' }),
    ]
    await store('2031-05-01T00:00:00.000Z')
    await store('2031-04-10T00:00:00.000Z', { tenant: 'bank', applicantId: 'of-the-bank' })
    const { id } = present(stored[1])
    await database.sql`
      update predictions set defaulted = true, outcome_observed_at = '2031-06-01Z', outcome_recorded_by = 'risk-desk' where id = ${id}`
    await new ErasureStore(stores.database, async () => {}, auditDigestWith(await readAuditKey(stores.database))).erase({
      tenant: 'default',
      applicantId: 'erased-later',
      principal: 'admin',
    })
    const start = new Date('2031-04-02T00:00:00.000Z').getTime()
    await database.sql`
      insert into predictions (id, tenant, applicant_id, model, model_version, probability, band, high_risk, created_at, requested_by)
      select (substr(h, 1, 8) || '-' || substr(h, 9, 4) || '-7000-8000-000000000000')::uuid, 'many', 'applicant-' || i, 'm', '1', 0.5,
        6, false, to_timestamp((${start}::bigint + i) / 1000.0), 'shop'
      from (select i, lpad(to_hex(${start}::bigint + i), 12, '0') as h from generate_series(1, ${MANY}::int) i) made`
  })
  afterAll(async () => {
    await stores[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })

  it("writes one tenant's rows of a half-open range, oldest first, as CSV that no spreadsheet executes", async () => {
    const { status, stdout, stderr } = await run(...RANGE)
    expect({ status, stderr }).toEqual({ status: 0, stderr: 'riskgate: 3 rows exported.\n' })
    const [first, second, third] = stored.map(({ id }) => id)
    expect(stdout.split('\n')).toEqual([
      COLUMNS,
      `${first},'=cmd|calc,consumer-credit,2,0.75,T8,true,"web, ""mobile""",2031-04-01T00:00:00.000Z,web-shop,,,`,
      `${second},'-7,consumer-credit,2,1e-7,T8,true,,2031-04-15T12:00:00.000Z,web-shop,true,2031-06-01T00:00:00.000Z,risk-desk`,
      `${third},erased:${third},consumer-credit,2,0.75,T8,true,,2031-04-30T23:59:59.999Z,web-shop,,,`,
      '',
    ])
  })

  it('writes the same columns as one JSON object for each line', async () => {
    const { stdout } = await run(...RANGE, '--format', 'ndjson')
    const rows = stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    expect(rows).toHaveLength(3)
    for (const row of rows) expect(Object.keys(row).join()).toBe(COLUMNS)
    expect(rows[1]).toMatchObject({ applicantId: '-7', probability: 1e-7, highRisk: true, defaulted: true, channel: null })
  })

  it('writes features only if asked to: a column each, other stored fields in one, empty after erasure', async () => {
    await database.sql`update predictions set features = features || '{"seen": "=1+1"}' where id = ${present(stored[0]).id}`
    const [header, first, , third] = (await run(...RANGE, '--features')).stdout.split('\n')
    expect(header).toMatch(/,features\.seniority,.*features\.price,otherFeatures$/)
    // The versions of the store know them, too.
    const withoutFolder = { ...environment(), RISKGATE_MODELS_DIR: directory }
    const { stdout } = await runCommand(['export', ...RANGE, '--features'], withoutFolder)
    expect(stdout.split('\n')[0]).toBe(header)
    expect(first).toContain(',100,')
    expect(first).toMatch(/,"\{""seen"":""=1\+1""\}"$/)
    expect(third).toMatch(/web-shop,,,,+$/)
    const rows = (await run(...RANGE, '--features', '--format', 'ndjson')).stdout.trimEnd().split('\n')
    expect(rows.map(line => (JSON.parse(line) as { features: unknown }).features)).toEqual([
      { income: 100, seen: '=1+1' },
      { income: 100 },
      null,
    ])
  })

  it('writes each row of many pages once', async () => {
    const { stdout } = await run(...RANGE, '--tenant', 'many', '--format', 'ndjson', '--quiet')
    const applicants = stdout
      .trimEnd()
      .split('\n')
      .map(line => (JSON.parse(line) as { applicantId: string }).applicantId)
    expect(applicants).toEqual(Array.from({ length: MANY }, (_, i) => `applicant-${i + 1}`))
  })

  it('is audited when it begins, and again with its rows', async () => {
    await run(...RANGE, '--tenant', 'bank', '--features')
    const entries = await database.sql`select * from audit_entries where tenant = 'bank' order by id`
    const details = { from: '2031-04-01T00:00:00.000Z', to: '2031-05-01T00:00:00.000Z', format: 'csv', features: true }
    expect(entries).toMatchObject([
      { action: 'history.export-begun', principal: expect.stringMatching(/^cli:/), details },
      { action: 'history.exported', subject: 'bank', details: { ...details, rows: 1, rowsUnderWay: 0 } },
    ])
  })

  it('creates its file only when the file is complete', async () => {
    const file = join(directory, 'history.csv')
    expect(await run(...RANGE, '--output', file)).toMatchObject({ status: 0, stdout: '' })
    expect(readFileSync(file, 'utf8').split('\n')).toHaveLength(5)
    expect(readdirSync(directory)).toEqual(['history.csv'])
  })

  it('writes through a link and into a pipe, and replaces neither', async () => {
    const [link, pipe] = [join(directory, 'link.csv'), join(directory, 'pipe')]
    symlinkSync(join(directory, 'linked.csv'), link)
    writeFileSync(link, 'of yesterday')
    expect(await run(...RANGE, '--output', link)).toMatchObject({ status: 0 })
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expect(readFileSync(join(directory, 'linked.csv'), 'utf8').split('\n')).toHaveLength(5)
    execFileSync('mkfifo', [pipe])
    const [text, exit] = await Promise.all([readFile(pipe, 'utf8'), run(...RANGE, '--output', pipe)])
    expect(exit).toMatchObject({ status: 0 })
    expect(text.split('\n')).toHaveLength(5)
    expect(lstatSync(pipe).isFIFO()).toBe(true)
    for (const name of [link, 'linked.csv', pipe]) rmSync(resolve(directory, name))
  })

  it('ends with a message if its file cannot be written', async () => {
    const file = join(directory, 'nowhere', 'history.csv')
    const { status, stderr } = await run(...RANGE, '--output', file)
    expect(status).toBe(1)
    expect(stderr).toBe(`riskgate: --output: ${file} cannot be written (ENOENT).\n`)
    expect((await run(...RANGE, '--output', directory)).stderr).toContain('(EISDIR)')
  })

  it('ends quietly when its reader stops reading', async () => {
    const command = `node ${MAIN} export ${RANGE.join(' ')} --tenant many --quiet | head -n 2; echo "\${PIPESTATUS[0]}"`
    const child = spawn('bash', ['-c', command], { env: environment(), stdio: ['ignore', 'pipe', 'pipe'] })
    const [output, errors] = await Promise.all([textOf(child.stdout), textOf(child.stderr), once(child, 'close')])
    expect(output.split('\n')[0]).toBe(COLUMNS)
    expect(output.trimEnd().split('\n').at(-1)).toBe('0')
    expect(errors).toBe('')
  })

  it('waits for a slow reader, and ends with a whole line when it is interrupted', async () => {
    const child = launch([...RANGE, '--tenant', 'many', '--quiet'], environment())
    const ended = once(child, 'close')
    const output = present(child.stdout)
    await once(output, 'readable')
    child.kill('SIGINT')
    const text = await textOf(output)
    expect(await ended).toEqual([130, null])
    const lines = text.split('\n')
    expect(lines.length).toBeLessThan(MANY)
    expect(lines.pop()).toBe('')
    for (const line of lines) expect(line.split(',')).toHaveLength(13)
    const [entry] = await database.sql<{ details: { rows: number; rowsUnderWay: number } }[]>`
      select details from audit_entries where tenant = 'many' and action = 'history.exported' order by id desc limit 1`
    const { rows, rowsUnderWay } = present(entry).details
    const header = 1
    expect(lines.length - header).toBeGreaterThanOrEqual(rows)
    expect(lines.length - header).toBeLessThanOrEqual(rows + rowsUnderWay)
  })

  it('ends when it is interrupted while the reader of its pipe has stopped', async () => {
    const pipe = join(directory, 'stopped')
    execFileSync('mkfifo', [pipe])
    const reader = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK)
    expect(() => {
      for (;;) writeSync(reader, 'x'.repeat(4_096))
    }).toThrow('EAGAIN')
    const begun = async () => (await database.sql`select from audit_entries where action = 'history.export-begun'`).length
    const before = await begun()
    const child = launch([...RANGE, '--tenant', 'many', '--output', pipe], environment())
    const exited = once(child, 'exit')
    await until(async () => (await begun()) > before)
    child.kill('SIGINT')
    expect(await exited).toEqual([130, null])
    closeSync(reader)
  })

  it('leaves no file when it is interrupted', async () => {
    const file = join(directory, 'interrupted.csv')
    const session = await database.sql.reserve()
    await session`begin`
    await session`lock table predictions in access exclusive mode`
    try {
      const child = launch([...RANGE, '--output', file], environment())
      const ended = once(child, 'close')
      await until(() => readdirSync(directory).some(name => name.endsWith('.part')))
      child.kill('SIGTERM')
      expect(await ended).toEqual([143, null])
    } finally {
      await session`commit`
      session.release()
    }
    expect(readdirSync(directory).filter(name => name.startsWith('interrupted'))).toEqual([])
  })

  it('writes for the Excel of the locale that is named, or else that of the environment', async () => {
    const named = await run(...RANGE, '--excel', '--locale', 'de-DE')
    const { stdout } = await runCommand(['export', ...RANGE, '--excel'], { ...environment(), LC_ALL: 'es_ES.UTF-8' })
    expect(named).toMatchObject({ status: 0, stdout })
    const [header, first, second] = stdout.split('\r\n')
    expect(header).toBe(`\ufeff${COLUMNS.replaceAll(',', ';')}`)
    expect(first).toContain(';\'=cmd|calc;consumer-credit;2;0,75;T8;true;"web, ""mobile""";2031-04-01 00:00:00;')
    expect(second).toContain(";'-7;consumer-credit;2;1e-7;T8;")
    const english = await runCommand(['export', ...RANGE, '--excel'], { ...environment(), LC_ALL: 'en_US.UTF-8' })
    expect(english.stdout.split('\r\n')[0]).toBe(`\ufeff${COLUMNS}`)
    const [entry] = await database.sql`
      select details->>'format' as format from audit_entries where action = 'history.exported' order by id desc limit 1`
    expect(entry?.format).toBe('excel')
  })

  it.each([
    [['--from', '2031-02-31', '--to', '2031-05-01'], '--from'],
    [['--from', '2031-04-01', '--to', 'soon'], '--to'],
    [['--from', '2031-04-01T10:00:00', '--to', '2031-05-01'], '--from'],
    [['--from', '2031-05-01', '--to', '2031-05-01'], '--to'],
    [['--to', '2031-05-01'], '--from'],
    [[...RANGE, '--tenant', 'bank '], '--tenant'],
    [[...RANGE, '--format', 'xlsx'], '--format'],
    [[...RANGE, '--excel', '--format', 'ndjson'], '--format'],
    [[...RANGE, '--excel', '--locale', 'es_ES'], '--locale'],
    [[...RANGE, '--excel', '--locale', 'xx-YY'], '--locale'],
    [[...RANGE, '--locale', 'es-ES'], '--excel'],
  ])('names the wrong option: %s', async (arguments_, option) => {
    const { status, stdout, stderr } = await run(...arguments_)
    expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
    expect(stderr).toContain(option)
    expect(stderr.trim().split('\n')).toHaveLength(1)
  })

  it('ends with status 78 without a usable database', async () => {
    const nowhere = await runCommand(['export', ...RANGE], { RISKGATE_STATE_DIR: join(directory, 'no-state') })
    expect(nowhere).toMatchObject({ status: 78, stderr: expect.stringContaining('DATABASE_URL') })
    expect(existsSync(join(directory, 'no-state'))).toBe(false)
    const url = new URL(database.url)
    url.pathname = '/no_such_database'
    const unknown = await runCommand(['export', ...RANGE], { DATABASE_URL: url.href })
    expect(unknown).toMatchObject({ status: 78, stderr: expect.stringMatching(/^riskgate: DATABASE_URL: .*\n$/) })
  })

  it('says what to do about a database without tables', async () => {
    await using empty = await createDatabase()
    const { status, stderr } = await runCommand(['export', ...RANGE], { DATABASE_URL: empty.url })
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringMatching(/^riskgate: .*riskgate migrate.*\n$/) })
  })
})

describe('riskgate export with the embedded database', () => {
  it('leaves the server of a running gateway alone, and stops a server that it started itself', async () => {
    await using state = preparedStateDirectory()
    const settings = { RISKGATE_STATE_DIR: state.path }
    const gateway = await spawnGateway(settings)
    const { stdout } = await runCommand(['export', ...RANGE], settings)
    expect(stdout.trimEnd()).toBe(COLUMNS)
    const postmaster = state.postmaster()
    expect(lives(postmaster)).toBe(true)
    expect((await fetch(`${gateway.url}/readyz`)).status).toBe(200)
    await gateway.stop()
    expect(lives(postmaster)).toBe(false)
    expect(await runCommand(['export', ...RANGE], settings)).toMatchObject({ status: 0, stdout: `${COLUMNS}\n` })
    expect(existsSync(join(state.path, 'postgres', 'postmaster.pid'))).toBe(false)
  }, 60_000)
})

function launch(arguments_: string[], env: Record<string, string>): ChildProcess {
  return spawn(process.execPath, [MAIN, 'export', ...arguments_], { env, cwd: directory, stdio: ['ignore', 'pipe', 'inherit'] })
}

async function textOf(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const part of stream.setEncoding('utf8')) text += part
  return text
}
