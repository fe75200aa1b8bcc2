// `npm run bench:history`: times each documented history query at several sizes, in one run. See README.md.
import { availableParallelism, cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { loadHistory } from './historyData.mjs'
import { QUERIES, sampleOf } from './historyQueries.mjs'
import { KeepAliveConnection, postRequest } from './keepAliveConnection.mjs'
import { Stage } from './stage.mjs'

const ROUNDS = 4
const WARM_UP_CALLS = 20
const GOAL = 1.5

const { values } = parseArgs({
  options: { sizes: { type: 'string', default: '10000,1000000,10000000' }, calls: { type: 'string', default: '200' } },
})
const sizes = values.sizes.split(',').map(Number)
const calls = Number(values.calls)
if (
  !sizes.every(size => Number.isInteger(size) && size >= 1_000 && size <= 100_000_000) ||
  !(calls >= ROUNDS && calls <= 10_000)
) {
  process.stderr.write('bench: --sizes takes numbers from 1000 to 100000000, --calls a number from 4 to 10000\n')
  process.exit(2)
}

let isInterrupted = false

async function main() {
  const opening = Stage.open()
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, async () => {
      isInterrupted = true
      await opening.then(stage => stage.close()).catch(() => {})
      process.exit(130)
    })
  }
  const stage = await opening
  let isDone = false
  try {
    print(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model})\n`)
    const databases = []
    for (const size of sizes) databases.push(await prepare(stage, size))
    for (const database of databases) Object.assign(database, await serve(stage, database))
    print(`\nmedian / 95th percentile of ${calls} calls, in ms, over HTTP; ratio of the medians, largest size to smallest\n`)
    printRow('', [...sizes.map(count), 'ratio'])
    for (const query of QUERIES) {
      const figures = await measured(query, databases)
      printRow(query.name, [...figures.map(cell), ratioOf(figures)])
    }
    isDone = true
  } finally {
    if (!isDone && !isInterrupted) process.stderr.write(`bench: logs are in ${stage.directory}\n`)
    await stage.close({ keepLogs: !isDone && !isInterrupted })
  }
}

async function prepare(stage, size) {
  const startedAt = performance.now()
  const seconds = () => `${Math.round((performance.now() - startedAt) / 1_000)} s`
  const { url, sql } = await stage.createDatabase({ connections: 2 })
  const show = step => process.stdout.isTTY && process.stdout.write(`\r\x1b[2K  loading ${count(size)}: ${step}, ${seconds()}`)
  await loadHistory({ url, sql, rows: size, show })
  const [{ bytes }] = await sql`select pg_database_size(current_database())::float8 as bytes`
  const sample = await sampleOf(sql)
  await sql.end({ timeout: 1 })
  print(`${process.stdout.isTTY ? '\r\x1b[2K' : ''}  loaded ${count(size)} predictions in ${seconds()}, ${count(bytes / 1e6)} MB`)
  return { size, url, sample }
}

async function serve(stage, { url: databaseUrl, size }) {
  const { url, headersOf } = await stage.riskgate({ databaseUrl, name: `history-${size}` })
  const headers = { ANALYST: await headersOf('ANALYST'), SCORER: await headersOf('SCORER', 'web-shop') }
  return { headers, connection: await KeepAliveConnection.open(Number(new URL(url).port)) }
}

/** One figure for each size. The sizes take turns, so that other load on the machine affects all of them. */
async function measured(query, databases) {
  const runs = databases.map(() => ({ times: [], problem: undefined }))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, database] of databases.entries()) {
      const run = runs[i]
      const first = round * Math.ceil(calls / ROUNDS)
      if (round === 0) await callAll({ query, database, run, first: 0, number: WARM_UP_CALLS })
      if (round === 0) run.times = []
      await callAll({ query, database, run, first, number: Math.ceil(calls / ROUNDS) })
    }
  }
  return runs.map(({ times, problem }) => {
    if (problem) return { problem }
    const sorted = times.sort((a, b) => a - b)
    return { median: sorted[Math.floor(sorted.length / 2)], p95: sorted[Math.floor(sorted.length * 0.95)] }
  })
}

async function callAll({ query: { query, role = 'ANALYST', variables = () => ({}), isFollowed }, database, run, first, number }) {
  for (let n = first; n < first + number && !run.problem; n++) {
    const given = variables(database.sample, n)
    if (isFollowed) {
      const { data } = await call(database, role, { query, variables: given })
      given.after = data?.predictions.pageInfo.endCursor
    }
    const request = { query, variables: given }
    const startedAt = performance.now()
    const { errors } = await call(database, role, request)
    run.times.push(performance.now() - startedAt)
    const code = errors?.[0].extensions.code
    // This version does not have the field.
    if (code) run.problem = code === 'GRAPHQL_VALIDATION_FAILED' ? 'n/a' : code
  }
}

async function call({ connection, headers }, role, body) {
  const answer = await connection.send(postRequest({ path: '/graphql', headers: headers[role], body: JSON.stringify(body) }))
  return JSON.parse(answer.body)
}

function ratioOf(figures) {
  const [smallest, largest] = [figures[0], figures.at(-1)]
  if (smallest.problem || largest.problem) return '-'
  const ratio = largest.median / smallest.median
  return `${ratio.toFixed(2)}${ratio > GOAL ? ' !' : ''}`
}

function cell({ problem, median, p95 }) {
  return problem ?? `${median.toFixed(1)} / ${p95.toFixed(1)}`
}

function printRow(name, cells) {
  print(`${name.padEnd(38)}${cells.map(text => text.padStart(20)).join('')}`)
}

function count(value) {
  return Math.round(value).toLocaleString('en')
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

main().catch(error => {
  // Ctrl-C has ended the run and its servers, so that this error is only a consequence.
  if (isInterrupted) return
  process.stderr.write(`bench: ${error.message}\n`)
  process.exit(1)
})
