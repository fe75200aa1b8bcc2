// `npm run demo`: streams the held-out applicants through the public API and listens to the alerts that they raise.
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
const unheard = new Set()
const heard = new Set()

for (const name of ['SIGINT', 'SIGTERM']) process.on(name, () => stopping.abort())

let gateway
try {
  gateway = await findGateway({ signal, starting: () => print('\n  starting a gateway …') })
  print(`
  gateway       ${gateway.url}/graphql (${gateway.started})
  playground    ${gateway.playground}

  Streaming ${count === Infinity ? 'held-out applicants' : `${count} held-out applicants`} at ${rate} a second. Ctrl-C ends it.
`)
  gateway.died?.addEventListener('abort', () => {
    if (!signal.aborted) fail('the gateway ended: see its log')
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
    const missing = unheard.size === 0 ? '' : `, ${unheard.size} of ours not heard`
    print(`\n  ${progress.scored} scored, ${progress.alerts} alerts heard${missing}.\n`)
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
      if (prediction.highRisk && !heard.has(prediction.id)) unheard.add(prediction.id)
    }
    // What an outage held up is not made good by a burst.
    nextAt = Math.max(nextAt + 1_000 / rate, performance.now())
    await pause(nextAt - performance.now())
  }
}

/** From now on, and over every lost connection: each one goes on behind the last alert that was heard. */
async function followAlerts() {
  let cursor = await persistently('alerts', () => alertCursor(gateway, signal))
  if (cursor === undefined) return
  await persistently('alerts', async succeeded => {
    for await (const alert of alertsAfter(gateway, cursor, signal)) {
      succeeded()
      cursor = alert.cursor
      const { id } = alert.prediction
      // At least once: after a reconnect the same alert may come again.
      if (heard.has(id)) continue
      heard.add(id)
      unheard.delete(id)
      progress.alert(alert)
    }
    if (!signal.aborted) throw new Error('the connection was closed')
  })
}

/** Does it until it succeeds, telling each failure; gives up on what would fail again. Safe for scoring: the key stays the same. */
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

/** An alert comes a moment after its answer. */
async function lastAlerts() {
  for (const endsAt = Date.now() + LAST_ALERTS_MS; unheard.size > 0 && Date.now() < endsAt && !signal.aborted; )
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
