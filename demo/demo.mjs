// `npm run demo`: scores the held-out applicants through the public API, and subscribes to the alerts that they raise.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { alertCursor, alertsAfter, predictRisk, Refused } from './api.mjs'
import { findGateway } from './gateway.mjs'
import { Progress } from './progress.mjs'

const HELD_OUT = new URL('../training/held_out.jsonl', import.meta.url)
const CHANNELS = ['web', 'mobile', 'branch']
const FIRST_PAUSE_MS = 250
const LONGEST_PAUSE_MS = 2_000
const LAST_ALERTS_MS = 5_000
const POLL_MS = 50

const { rate, count } = options()
const applicants = readFileSync(HELD_OUT, 'utf8')
  .trimEnd()
  .split('\n')
  .map(line => JSON.parse(line))
const stopping = new AbortController()
const { signal } = stopping
const progress = new Progress()
const unreceived = new Set()
const received = new Set()

for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => stopping.abort())

let gateway
try {
  gateway = await findGateway({ signal, starting: () => print('\n  starting a gateway …') })
  print(`
  gateway       ${gateway.url}/graphql (${gateway.started})
  playground    ${gateway.playground}

  Scoring ${count === Infinity ? 'held-out applicants' : `${count} held-out applicants`}, ${rate} per second. Press Ctrl-C to stop.
`)
  gateway.died?.addEventListener('abort', () => {
    if (!signal.aborted) fail('the gateway has ended; see its log')
  })
  progress.start()
  const following = followAlerts()
  await streamApplicants()
  await lastAlerts()
  stopping.abort()
  await following
} catch (error) {
  if (!signal.aborted) fail(error.message)
} finally {
  stopping.abort()
  progress.end()
  if (gateway) {
    const missing = unreceived.size === 0 ? '' : `, ${unreceived.size} not received`
    print(`\n  ${progress.scored} scored, ${progress.alerts} alerts received${missing}.\n`)
    await gateway.stop()
  }
}
process.exit()

async function streamApplicants() {
  const run = randomBytes(6).toString('hex')
  let nextAt = performance.now()
  for (let n = 0; n < count && !signal.aborted; n++) {
    const { applicantId, features } = applicants[n % applicants.length]
    const input = {
      applicantId,
      features: { consumerCredit: features },
      channel: CHANNELS[n % CHANNELS.length],
      idempotencyKey: `demo-${run}-${n}`,
    }
    const prediction = await persistently('scoring', () => predictRisk(gateway, input, signal))
    if (prediction) {
      progress.score(prediction)
      if (prediction.highRisk && !received.has(prediction.id)) unreceived.add(prediction.id)
    }
    // After an outage the demo does not catch up with a burst.
    nextAt = Math.max(nextAt + 1_000 / rate, performance.now())
    await pause(nextAt - performance.now())
  }
}

/** Follows alerts from now on. After a lost connection it resumes from the last received alert. */
async function followAlerts() {
  let cursor = await persistently('alerts', () => alertCursor(gateway, signal))
  if (cursor === undefined) return
  await persistently('alerts', async succeeded => {
    for await (const alert of alertsAfter(gateway, cursor, signal)) {
      succeeded()
      cursor = alert.cursor
      const { id } = alert.prediction
      // Delivery is at least once: after a reconnect the same alert may come again.
      if (received.has(id)) continue
      received.add(id)
      unreceived.delete(id)
      progress.alert(alert)
    }
    if (!signal.aborted) throw new Error('the connection was closed')
  })
}

/** Retries until success and shows each failure, but gives up on an error that would repeat. Scoring is safe to retry: the key stays the same. */
async function persistently(what, attempt) {
  let pauseMs = FIRST_PAUSE_MS
  const succeeded = () => {
    pauseMs = FIRST_PAUSE_MS
    progress.recovered(what)
  }
  while (!signal.aborted) {
    try {
      const result = await attempt(succeeded)
      succeeded()
      return result
    } catch (error) {
      if (signal.aborted) return undefined
      const mayRetry = !(error instanceof Refused) || error.isRetryable
      progress.failed(what, `${reason(error)}${mayRetry ? ' Trying again.' : ''}`)
      if (!mayRetry) return undefined
      await pause(pauseMs)
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)
    }
  }
  return undefined
}

function reason({ message, cause }) {
  const text = cause ? `the gateway does not answer (${cause.code ?? cause.message})` : message
  return /[.!?]$/.test(text) ? text : `${text}.`
}

/** Waits for the last alerts, because an alert comes a moment after the answer to its score. */
async function lastAlerts() {
  for (const endsAt = Date.now() + LAST_ALERTS_MS; unreceived.size > 0 && Date.now() < endsAt && !signal.aborted; )
    await pause(POLL_MS)
}

async function pause(ms) {
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => {})
}

function fail(message) {
  progress.end()
  process.stderr.write(`demo: ${message}\n`)
  process.exitCode = 1
  stopping.abort()
}

function options() {
  const { values } = parseArgs({ options: { rate: { type: 'string', default: '4' }, count: { type: 'string' } } })
  const given = { rate: Number(values.rate), count: values.count === undefined ? Infinity : Number(values.count) }
  if (!(given.rate > 0 && given.rate <= 1_000)) usage('--rate must be a number above 0, up to 1000')
  if (given.count !== Infinity && !(Number.isInteger(given.count) && given.count > 0))
    usage('--count must be a whole number above 0')
  return given
}

function usage(problem) {
  process.stderr.write(`demo: ${problem}\n`)
  process.exit(2)
}

function print(text) {
  process.stdout.write(`${text}\n`)
}
