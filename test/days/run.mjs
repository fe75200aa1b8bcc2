// `npm run test:days`: runs the tests that depend on today once for each clock of the table. `npm run test:days -- 2027-01` runs those
// that begin with this text.
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { relative } from 'node:path'
import { DEPENDS_ON_TODAY } from '../fileLists.mjs'
import { findRequirements } from '../requirements.mjs'
import { makeRunFolder, removeRunFolder } from '../runFolder.mjs'
import { Clock } from './clock.mjs'

// The clock shows this instant when the tests begin, and goes on from there. Months and years end within the first minutes.
const DAYS = [
  ['2026-11-15T10:00:00Z', 'the middle of a month'],
  ['2026-11-24T10:00:00Z', 'a partition of the month before begins within the last 80 days'],
  ['2026-11-30T10:00:00Z', 'the last day of a month'],
  ['2026-11-30T23:57:00Z', 'over the end of a month'],
  ['2026-12-01T00:00:05Z', 'the first minute of a month'],
  ['2026-12-31T23:57:00Z', 'over the end of a year'],
  ['2027-01-01T00:00:05Z', 'the first minute of a year'],
  ['2028-02-28T23:57:00Z', 'into the 29th of February'],
  ['2028-02-29T23:57:00Z', 'over the end of the 29th of February'],
  ['2027-03-28T00:57:00Z', 'clocks go forward', 'Europe/Madrid'],
  ['2027-10-31T00:57:00Z', 'clocks go back', 'Europe/Madrid'],
  ['2027-03-14T06:57:00Z', 'clocks go forward', 'America/New_York'],
  ['2027-11-07T05:57:00Z', 'clocks go back', 'America/New_York'],
  [inMonths(15), 'in 15 months'],
]

const RESULTS = 'dist/test-days'
const asked = process.argv.slice(2)
const days = DAYS.filter(([instant]) => asked.length === 0 || asked.some(day => instant.startsWith(day)))
if (days.length === 0) {
  console.error(`test:days: no day begins with ${asked.join(' or ')}:\n${DAYS.map(day => `  ${day.join('  ')}`).join('\n')}`)
  process.exit(2)
}
const { found, isComplete } = findRequirements()
if (!isComplete) process.exit(2)

const clock = new Clock({ library: found.TEST_FAKETIME, compiler: found.TEST_COMPILER })
process.on('exit', () => clock[Symbol.dispose]())
rmSync(RESULTS, { recursive: true, force: true })
mkdirSync(RESULTS, { recursive: true })

let isStopped = false
let vitest
// Ctrl-C reaches Vitest by itself. What it started ends with it, and the folders are removed.
process.on('SIGINT', () => (isStopped = true))
process.on('SIGTERM', () => {
  isStopped = true
  vitest?.kill('SIGTERM')
})

const sum = { passed: 0, failed: 0 }
for (const [instant, what, timeZone] of days) {
  if (isStopped) break
  const { passed, failures, seconds } = await runOn(instant, timeZone)
  sum.passed += passed
  sum.failed += failures.length
  const name = [what, timeZone].filter(Boolean).join(', ')
  console.log(`${instant}  ${name.padEnd(64)}${passed} passed, ${failures.length} failed, ${seconds} s`)
  for (const failure of failures) console.log(`    ${failure}`)
}
console.log(`${sum.passed} passed, ${sum.failed} failed`)
process.exitCode = sum.failed > 0 || isStopped ? 1 : 0

/** Runs all files once. A run without a report, a file that could not be loaded, and what is left behind are failures too. */
async function runOn(instant, timeZone) {
  const startedAt = performance.now()
  const [report, log] = ['json', 'log'].map(kind => `${RESULTS}/${instant.replaceAll(':', '')}.${kind}`)
  const folder = makeRunFolder()
  const env = { ...process.env, ...found, ...clock.at(new Date(instant), timeZone), TEST_CLOCK_AT: instant, TMPDIR: folder }
  const arguments_ = ['run', ...DEPENDS_ON_TODAY, '--reporter=default', '--reporter=json', `--outputFile.json=${report}`]
  vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...arguments_], { env })
  writeFileSync(log, await outputOf(vitest))
  const left = (await removeRunFolder(folder)).map(line => `LEFT BEHIND: ${line}`)
  const seconds = Math.round((performance.now() - startedAt) / 1_000)
  if (!existsSync(report)) return { passed: 0, failures: [`The tests have not run: ${log}`, ...left], seconds }
  const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8'))
  return { passed: numPassedTests, failures: [...testResults.flatMap(failuresOf), ...left], seconds }
}

async function outputOf(child) {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', part => (text += part))
  await new Promise(resolve => child.on('close', resolve))
  return text
}

function failuresOf({ name, status, message, assertionResults }) {
  const file = relative(process.cwd(), name)
  const failed = assertionResults.filter(({ status }) => status === 'failed')
  if (status === 'failed' && failed.length === 0) return [`${file}: ${message}`]
  return failed.map(({ fullName, failureMessages: [reason = ''] }) => `${file} > ${fullName}\n        ${reason.split('\n')[0]}`)
}

function inMonths(months) {
  const now = new Date()
  return new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + months, 17, 12)).toISOString()
}
