// `npm run bench`: compares the server CPU per durable prediction of riskgate with the floor, in one run. See README.md.
import { arch, availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { BATCH_ROWS } from './requests.mjs'
import { Stage } from './stage.mjs'

const WARM_UP_SECONDS = 3
const BATCH_WARM_UP_SECONDS = 1.5
const BATCH_CONNECTIONS = 4

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    traces: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const [seconds, rounds, connections] = ['seconds', 'rounds', 'connections'].map(name => {
  const value = Number(values[name])
  if (!(value > 0 && value <= 600)) {
    process.stderr.write(`bench: --${name} must be a number from 1 to 600\n`)
    process.exit(2)
  }
  return value
})

if (values.traces !== undefined && !/^(0|1|0\.\d{1,6})$/.test(values.traces)) {
  process.stderr.write('bench: --traces must be a number from 0 to 1, the part of requests that is traced\n')
  process.exit(2)
}

/** Sends one order to a program; returns its result and the CPU that the server used for it. */
async function measured({ worker, server, order }) {
  const before = await server.cpuMicroseconds()
  const { result, failure } = await worker.ask(order)
  if (failure) throw new Error(failure)
  const cpu = (await server.cpuMicroseconds()) - before
  return { ...result, cpuPerRow: cpu / result.ids.length, cpuShare: cpu / 1e6 / result.elapsedSeconds }
}

async function singles(load, floor, riskgate, traced, acknowledged) {
  const servers = { floor, riskgate, rest: riskgate, traced }
  const order = (shape, { url, headers }, time) => ({ shape, url, headers, connections, seconds: time })
  const shapes = { floor: 'floor', riskgate: 'predictRisk', rest: 'restPredict', ...(traced && { traced: 'predictRisk' }) }
  const drive = async (name, time) => {
    const server = servers[name]
    const round = await measured({ worker: load, server: server.child, order: order(shapes[name], server, time) })
    for (const id of round.ids) acknowledged[tableOf(name)].push(id)
    return round
  }
  const names = Object.keys(shapes)
  for (const name of names) await drive(name, WARM_UP_SECONDS)
  const results = { floor: [], riskgate: [], rest: [], traced: [] }
  for (let round = 0; round < rounds; round++) {
    for (const name of names) {
      const result = await drive(name, seconds)
      results[name].push(result)
      print(
        `  ${name.padEnd(9)}${count(result.requests / result.elapsedSeconds, 6)} requests/s   p50 ${ms(result.p50)}   p99 ${ms(result.p99)}` +
          `   CPU ${count(result.cpuPerRow, 4)} us per prediction   ${percent(result.cpuShare)} of a core`,
      )
    }
  }
  return results
}

async function batches(load, bare, riskgate, acknowledged) {
  const shapes = { floor: undefined, riskgate: 'predictRiskBatch', rest: 'restPredictBatch' }
  const order = { connections: BATCH_CONNECTIONS, url: riskgate.url, headers: riskgate.headers }
  const drive = async (name, time) => {
    const [worker, server] = name === 'floor' ? [bare.child, bare.child] : [load, riskgate.child]
    const round = await measured({ worker, server, order: { ...order, shape: shapes[name], seconds: time } })
    for (const id of round.ids) acknowledged[tableOf(name)].push(id)
    return round
  }
  const names = Object.keys(shapes)
  for (const name of names) await drive(name, BATCH_WARM_UP_SECONDS)
  const results = { floor: [], riskgate: [], rest: [] }
  for (let round = 0; round < Math.ceil(rounds / 2); round++) {
    for (const name of names) {
      const result = await drive(name, seconds * 0.6)
      results[name].push(result)
      const label = name === 'floor' ? 'bare' : name
      print(
        `  ${label.padEnd(9)}${count(result.ids.length / result.elapsedSeconds, 6)} durable rows/s   CPU ${count(result.cpuPerRow, 4)} us per row`,
      )
    }
  }
  return results
}

/** The table that holds the predictions of a program: GraphQL and REST have one. */
function tableOf(name) {
  return name === 'floor' ? 'floor' : 'riskgate'
}

/** Throws unless each table holds exactly the acknowledged predictions. */
async function verify({ sql }, acknowledged) {
  for (const [name, table] of [
    ['floor', 'floor_predictions'],
    ['riskgate', 'predictions'],
  ]) {
    const ids = acknowledged[name]
    const [{ stored, found }] = await sql`
      select (select count(*)::int from ${sql(table)}) as stored,
        (select count(*)::int from ${sql(table)} where id in (
          select value::uuid from json_array_elements_text(${JSON.stringify(ids)}::text::json))) as found`
    const isWhole = stored === ids.length && found === new Set(ids).size && found === ids.length
    print(`  ${name.padEnd(9)}${count(ids.length, 7)} acknowledged, ${count(found)} of them stored, ${count(stored)} rows in all`)
    if (!isWhole) throw new Error(`${name}: acknowledged and stored predictions are not the same`)
  }
}

async function main() {
  const stage = await Stage.open()
  let isDone = false
  try {
    const acknowledged = { floor: [], riskgate: [] }
    const load = stage.load()
    const floor = await stage.bare('floor.mjs')
    const riskgate = await stage.riskgate()
    const traced = values.traces === undefined ? undefined : await stage.tracedRiskgate(values.traces)
    print(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? arch()})\n`)
    print(`predictRisk, one applicant per request, ${connections} connections, ${rounds} x ${seconds} s each:`)
    const single = await singles(load, floor, riskgate, traced, acknowledged)
    await floor.child.stop()
    await traced?.child.stop()
    print(
      `\npredictRiskBatch, ${BATCH_ROWS} rows per request, ${BATCH_CONNECTIONS} connections, compared with bare scoring and inserting:`,
    )
    const bulk = await batches(load, await stage.bare('bareBatches.mjs'), riskgate, acknowledged)
    print('\nstored:')
    await verify(stage, acknowledged)
    summarise(single, bulk)
    isDone = true
  } finally {
    if (!isDone) process.stderr.write(`bench: logs are in ${stage.directory}\n`)
    await stage.close({ keepLogs: !isDone })
  }
}

function summarise(single, bulk) {
  const cpu = name => single[name].map(({ cpuPerRow }) => cpuPerRow)
  const ratios = (name, base) => {
    const all = cpu(name).map((value, round) => value / cpu(base)[round])
    return `${median(all).toFixed(2)}   (${Math.min(...all).toFixed(2)}..${Math.max(...all).toFixed(2)})`
  }
  const rate = name => median(bulk[name].map(({ ids, elapsedSeconds }) => ids.length / elapsedSeconds))
  print(`
CPU per durable prediction   floor ${count(median(cpu('floor')))} us   riskgate ${count(median(cpu('riskgate')))} us   the same over REST ${count(median(cpu('rest')))} us
ratio riskgate/floor         ${ratios('riskgate', 'floor')}
ratio REST/GraphQL           ${ratios('rest', 'riskgate')}
batches of ${BATCH_ROWS}               riskgate ${count(rate('riskgate'))} rows/s, ${percent(rate('riskgate') / rate('floor'))} of the ${count(rate('floor'))} of bare code; over REST ${count(rate('rest'))} rows/s`)
  if (single.traced.length === 0) return
  print(
    `traces of ${percent(Number(values.traces))} of requests   ${count(median(cpu('traced')))} us, to the same without ${ratios('traced', 'riskgate')}`,
  )
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length / 2
  return sorted.length % 2 === 1 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2
}

function count(value, width = 0) {
  return Math.round(value).toLocaleString('en').padStart(width)
}

function ms(value) {
  return `${value.toFixed(1)} ms`.padStart(8)
}

function percent(share) {
  return `${Math.round(share * 100)} %`
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

main().catch(error => {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exit(1)
})
