// `npm run bench:capacity`: what predictions and reads cost in disk, memory, CPU, log and write-ahead log. See README.md.
import { statSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { CapacityCalls } from './capacityCalls.mjs'
import { predictionIndexes, tableSizes, used } from './postgresUse.mjs'
import { BATCH_ROWS } from './requests.mjs'
import { Stage } from './stage.mjs'

const BATCH_CONNECTIONS = 4
const SINGLE_CONNECTIONS = 32
const SINGLES = 20_000
const PAGES = 200

const { values } = parseArgs({ options: { rows: { type: 'string', default: '200000' } } })
const rows = Number(values.rows)
if (!Number.isInteger(rows) || rows < 1_000 || rows > 10_000_000) {
  process.stderr.write('bench: --rows takes a number from 1000 to 10000000\n')
  process.exit(2)
}

async function main() {
  const stage = await Stage.open()
  let isDone = false
  const redis = process.env.REDIS_URL ? new Redis(process.env.REDIS_URL) : undefined
  try {
    print(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model})`)
    await measure(stage, redis)
    isDone = true
  } finally {
    redis?.disconnect()
    if (!isDone) process.stderr.write(`bench: logs are in ${stage.directory}\n`)
    await stage.close({ keepLogs: !isDone })
  }
}

async function measure(stage, redis) {
  const gateway = await stage.riskgate({ env: redis ? { REDIS_URL: process.env.REDIS_URL } : {} })
  const calls = await CapacityCalls.open(gateway)
  const atRest = await gateway.child.memory()
  print(`\ngateway at rest       ${mebi(atRest.resident)} resident, of which ${mebi(atRest.heap)} are heap and buffers`)

  const batches = await cost(stage, gateway, () => calls.scoreBatches(rows, BATCH_CONNECTIONS))
  const { highRisk, ids } = batches.result
  print(
    `\nbatches of ${BATCH_ROWS}        ${count(rows)} predictions, each with an idempotency key: ${count(rows / batches.seconds)} a second`,
  )
  printCost(batches, rows, 'row')
  print(`  high risk           ${count(highRisk)}, ${((highRisk / rows) * 100).toFixed(1)} %`)

  const singles = await cost(stage, gateway, () => calls.scoreSingles(SINGLES, SINGLE_CONNECTIONS))
  print(
    `\nsingle predictions    ${count(SINGLES)} over ${SINGLE_CONNECTIONS} connections: ${count(SINGLES / singles.seconds)} a second`,
  )
  printCost(singles, SINGLES, 'request')
  if (redis) print(`  Redis               ${await redisUse(redis)}`)
  print(`  memory              ${mebi(await peakOf(gateway))} resident at the peak of the gateway so far`)

  await measureTables(stage, calls, ids)
  await measureTelemetry(stage, gateway)
}

async function measureTables({ sql }, calls, ids) {
  const sizes = await tableSizes(sql)
  print(`\n${'table'.padEnd(24)}      rows       table     indexes   bytes a row`)
  for (const name of ['predictions', 'idempotency_keys', 'alerts']) {
    const { rows: number, heap, indexes } = sizes[name]
    const cells = [count(number), mebi(heap), mebi(indexes), number ? count((heap + indexes) / number) : '-']
    print(name.padEnd(22) + cells.map(cell => cell.padStart(12)).join(''))
  }
  print('\nindexes of predictions, bytes a row')
  for (const { name, bytes } of await predictionIndexes(sql))
    print(`  ${name.padEnd(30)}${(bytes / sizes.predictions.rows).toFixed(1).padStart(6)}`)

  print('')
  await measureAudit(sql, 'one prediction with its features', ids.length, () => calls.readEach(ids))
  await measureAudit(sql, `a page of ${BATCH_ROWS} predictions`, PAGES, () => calls.readPages(PAGES))
}

async function measureAudit(sql, what, reads, read) {
  const { audit_entries: before } = await tableSizes(sql)
  await read()
  const { audit_entries: after } = await tableSizes(sql)
  const bytes = after.heap + after.indexes - before.heap - before.indexes
  print(
    `audit, ${what.padEnd(33)} ${((after.rows - before.rows) / reads).toFixed(1)} entries and ${count(bytes / reads)} bytes a read`,
  )
}

async function measureTelemetry({ sql }, gateway) {
  const headers = await gateway.headersOf('TELEMETRY', 'prometheus')
  const text = await (await fetch(`${gateway.url}/metrics`, { headers })).text()
  const series = text.split('\n').filter(line => line && !line.startsWith('#'))
  const [{ number }] = await sql`
    select count(*)::int as number from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`
  print(`\nmetrics               ${count(series.length)} series, ${count(text.length / 1e3)} kB a scrape`)
  print(`connections           ${number} to PostgreSQL`)
}

/** Does the work; returns its result with the time and what it used of the gateway and of PostgreSQL. */
async function cost({ sql, directory }, gateway, work) {
  const log = join(directory, 'gateway.log')
  const state = async () => ({
    gateway: await gateway.child.cpuMicroseconds(),
    postgres: await used(sql),
    log: statSync(log).size,
  })
  const [before, startedAt] = [await state(), performance.now()]
  const result = await work()
  const seconds = (performance.now() - startedAt) / 1e3
  const after = await state()
  return {
    result,
    seconds,
    gateway: after.gateway - before.gateway,
    postgres: after.postgres.cpu - before.postgres.cpu,
    wal: after.postgres.wal - before.postgres.wal,
    log: after.log - before.log,
  }
}

function printCost({ gateway, postgres, wal, log }, number, unit) {
  const postgresCpu = Number.isNaN(postgres) ? 'not to be seen from here' : `${count(postgres / number)} us`
  print(`  CPU per ${unit.padEnd(12)}gateway ${count(gateway / number)} us, PostgreSQL ${postgresCpu}`)
  print(`  bytes per ${unit.padEnd(10)}log ${count(log / number)}, write-ahead log ${count(wal / number)}`)
}

/** The most resident memory that the process ever had, in bytes. */
async function peakOf(gateway) {
  const { peak } = await gateway.child.ask('peak')
  return peak
}

async function redisUse(redis) {
  const memory = Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1])
  const key = await redis.randomkey()
  return `${mebi(memory)} for ${count(await redis.dbsize())} keys; one of them takes ${await redis.memory('USAGE', key)} bytes`
}

function mebi(bytes) {
  return `${(bytes / 2 ** 20).toFixed(1)} MiB`
}

function count(value) {
  return Math.round(value).toLocaleString('en')
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

main().catch(error => {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exit(1)
})
