// `npm test`: finds or installs the programs that the tests need, runs Vitest, and prints a summary of one line.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { findRequirements } from './requirements.mjs'

const REPORT = 'dist/test-report.json'

const { found, isComplete } = findRequirements()
if (!isComplete && process.env.REQUIRE_ALL === '1') process.exit(1)

const env = { ...process.env, ...found }
const arguments_ = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`, ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', ...arguments_], { stdio: 'inherit', env })
if (existsSync(REPORT)) {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(REPORT, 'utf8'))
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
}
process.exit(status ?? 1)
