// `npm run bench:subscribers`: delivers alerts to many subscribers of one gateway. See README.md.
import { availableParallelism, cpus } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { Stage } from './stage.mjs'

const SETTLE_MS = 2_000
const WARM_UP_CALLS = 200
// An applicant deep in the highest band.
const FEATURES = {
  seniority: 0,
  home: 'other',
  time: 60,
  records: true,
  job: 'partime',
  expenses: 60,
  income: 50,
  assets: 0,
  debt: 0,
  amount: 1500,
  price: 1600,
}
const SCORE = `mutation Score($input: PredictRiskBatchInput!) {
  predictRiskBatch(input: $input) { results { prediction { id highRisk } errors { code } } }
}`

const { values } = parseArgs({
  options: {
    subscribers: { type: 'string', default: '1000' },
    rate: { type: 'string', default: '100' },
    seconds: { type: 'string', default: '60' },
    burst: { type: 'string', default: '1' },
    profile: { type: 'string' },
  },
})
const [subscribers, rate, seconds, burst] = ['subscribers', 'rate', 'seconds', 'burst'].map(name => {
  const value = Number(values[name])
  if (!(value > 0 && value <= 100_000)) {
    process.stderr.write(`bench: --${name} must be a number from 1 to 100000\n`)
    process.exit(2)
  }
  return value
})

async function ask({ url, headers }, query, variables) {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = await response.json()
  if (errors) throw new Error(`the gateway answered ${response.status}: ${JSON.stringify(errors)}`)
  return data
}

/** Scores `count` high-risk applicants in one call; returns the ids of their alerts. */
async function raise(gateway, count) {
  const items = Array.from({ length: count }, (_, i) => ({ applicantId: `bench-${i}`, features: { consumerCredit: FEATURES } }))
  const { predictRiskBatch } = await ask(gateway, SCORE, { input: { items } })
  return predictRiskBatch.results.flatMap(({ prediction }) => (prediction ? [prediction.id] : []))
}

/** Raises alerts at an even rate, however long the answers take. */
async function write(gateway, endsAt) {
  const calls = []
  const startedAt = performance.now()
  for (let call = 0; performance.now() < endsAt; call++) {
    const wait = startedAt + (call * burst * 1_000) / rate - performance.now()
    if (wait > 0) await sleep(wait)
    const alerts = raise(gateway, burst)
    // Failures are handled below. Without this, a rejection that is not awaited yet would end the process without its clean-up.
    alerts.catch(() => {})
    calls.push(alerts)
  }
  const results = await Promise.allSettled(calls)
  const failed = results.find(({ status }) => status === 'rejected')
  if (failed) throw failed.reason
  return { ids: results.flatMap(({ value }) => value), asked: calls.length * burst }
}

async function demand(child, order) {
  const { result, failure } = await child.ask(order)
  if (failure) throw new Error(failure)
  return result
}

async function measure(stage) {
  const nodeOptions = values.profile ? ['--cpu-prof', `--cpu-prof-dir=${values.profile}`] : []
  const { headersOf, ...started } = await stage.riskgate({ nodeOptions })
  const gateway = { ...started, headers: await headersOf('ADMIN') }
  const load = stage.load('subscriberLoad.mjs')
  for (let call = 0; call < WARM_UP_CALLS; call++) await raise(gateway, 1)
  const { alertCursor: after } = await ask(gateway, '{ alertCursor }')
  await sleep(SETTLE_MS)

  const before = await gateway.child.memory()
  const token = gateway.headers.authorization.slice('Bearer '.length)
  await demand(load, { open: { url: gateway.url, token, after, count: subscribers } })
  await sleep(SETTLE_MS)
  const idle = await gateway.child.memory()

  const [cpuBefore, startedAt] = [await gateway.child.cpuMicroseconds(), performance.now()]
  const { ids, asked } = await write(gateway, startedAt + seconds * 1_000)
  const cpu = (await gateway.child.cpuMicroseconds()) - cpuBefore
  const elapsed = performance.now() - startedAt
  const result = await demand(load, { report: ids })
  const busy = await gateway.child.memory()
  const perSubscriber = ({ heap, resident }) =>
    `${kib((heap - before.heap) / subscribers)} KiB of heap and buffers, ${kib((resident - before.resident) / subscribers)} KiB resident`
  print(`Node ${process.version}, ${availableParallelism()} cores (${cpus()[0]?.model ?? ''})
${subscribers} subscribers, ${ids.length} of ${asked} alerts stored in ${(elapsed / 1_000).toFixed(1)} s, ${burst} per call
raised to received    p50 ${ms(result.p50)}   p99 ${ms(result.p99)}   longest ${ms(result.max)}
messages              ${result.messages.toLocaleString('en')} (${Math.round(result.bytes / result.messages)} bytes each), ${result.lost} lost, ${result.inOrder ? 'in order' : 'OUT OF ORDER'}
memory per subscriber ${perSubscriber(idle)}, idle
                      ${perSubscriber(busy)}, after the alerts
CPU of the gateway    ${Math.round((cpu / 1e4 / elapsed) * 1e3)} % of a core, ${(cpu / result.messages).toFixed(1)} us per message`)
  const { lost, inOrder, isComplete, isSame } = result
  const isWhole = lost === 0 && inOrder && isComplete && isSame
  if (!isWhole) throw new Error(`alerts were lost or mixed up: ${JSON.stringify({ lost, inOrder, isComplete, isSame })}`)
}

async function main() {
  const stage = await Stage.open()
  let isDone = false
  try {
    await measure(stage)
    isDone = true
  } finally {
    if (!isDone) process.stderr.write(`bench: logs are in ${stage.directory}\n`)
    await stage.close({ keepLogs: !isDone })
  }
}

function kib(bytes) {
  return (bytes / 1_024).toFixed(1)
}

function ms(value) {
  return `${value.toFixed(0)} ms`
}

function print(line) {
  process.stdout.write(`${line}\n`)
}

main().catch(error => {
  process.stderr.write(`bench: ${error.message}\n`)
  process.exit(1)
})
