// `npm test`: finds or installs what the tests need besides npm packages, runs Vitest in a folder of its own, and sums up.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { QUICK } from './fileLists.mjs'
import { findRequirements } from './requirements.mjs'
import { makeRunFolder, removeRunFolder } from './runFolder.mjs'

const REPORT = 'dist/test-report.json'
const REPORTERS = ['default', './test/slowestFiles.mjs', 'json'].map(name => `--reporter=${name}`)

const isQuick = process.argv.includes('--quick')
const { found, isComplete } = findRequirements(isQuick ? [] : undefined)
if (!isComplete && process.env.REQUIRE_ALL === '1') process.exit(1)

rmSync(REPORT, { force: true })
const folder = makeRunFolder()
// From Node 22 on, Vite would keep compiled modules in the temporary folder, and leave them there.
const env = { ...process.env, ...found, TMPDIR: folder, NODE_DISABLE_COMPILE_CACHE: '1' }
const given = process.argv.slice(2).flatMap(argument => (argument === '--quick' ? QUICK : [argument]))
const arguments_ = ['run', ...REPORTERS, `--outputFile.json=${REPORT}`, ...given]
const vitest = spawn(process.execPath, ['node_modules/vitest/vitest.mjs', ...arguments_], { stdio: 'inherit', env })
// Ctrl-C reaches Vitest by itself; what it started ends with it, and then the folder is removed.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => vitest.kill('SIGTERM'))
const [status] = await once(vitest, 'exit')
const cpuSeconds = secondsOfChildren()

const left = await removeRunFolder(folder)
for (const line of left) console.log(`LEFT BEHIND: ${line}`)
const used = cpuSeconds === undefined ? '' : `, ${cpuSeconds.toFixed(0)} s of CPU time`
console.log(`The run took ${(performance.now() / 1_000).toFixed(0)} s${used}.`)
if (existsSync(REPORT)) {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(REPORT, 'utf8'))
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
}
process.exit(left.length > 0 ? 1 : (status ?? 1))

/** CPU time of all processes below this one that have ended; only Linux tells. */
function secondsOfChildren() {
  if (process.platform !== 'linux') return undefined
  // After the name, which may hold blanks; proc(5) counts these two as fields 16 and 17, in hundredths of a second.
  const fields = readFileSync('/proc/self/stat', 'utf8').split(') ')[1].split(' ')
  return (Number(fields[13]) + Number(fields[14])) / 100
}
