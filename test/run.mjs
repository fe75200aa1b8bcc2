// `npm test`: finds or installs what the tests need besides npm packages, runs Vitest, and sums up in one line.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const REPORT = 'dist/test-report.json'
const REQUIREMENTS = [
  {
    name: 'redis',
    program: 'redis-server',
    package: 'redis-server',
    howTo: 'apt-get install redis-server',
    variable: 'TEST_REDIS_SERVER',
  },
]

const env = { ...process.env }
let isComplete = true
for (const { name, program, package: debianPackage, howTo, variable } of REQUIREMENTS) {
  const path = find(program) ?? install(debianPackage, program)
  if (path) env[variable] = path
  else {
    console.log(`NOT RUN: ${name} (${howTo})`)
    isComplete = false
  }
}
if (!isComplete && process.env.REQUIRE_ALL === '1') process.exit(1)

const arguments_ = ['run', '--reporter=default', '--reporter=json', `--outputFile.json=${REPORT}`, ...process.argv.slice(2)]
const { status } = spawnSync(process.execPath, ['node_modules/vitest/vitest.mjs', ...arguments_], { stdio: 'inherit', env })
if (existsSync(REPORT)) {
  const { numPassedTests, numFailedTests, numPendingTests } = JSON.parse(readFileSync(REPORT, 'utf8'))
  console.log(`${numPassedTests} passed, ${numFailedTests} failed, ${numPendingTests} skipped`)
}
process.exit(status ?? 1)

function find(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map(directory => join(directory, program))
    .find(existsSync)
}

function install(debianPackage, program) {
  if (process.getuid?.() !== 0 || !find('apt-get')) return undefined
  console.log(`installing ${debianPackage} for the tests`)
  const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } }
  spawnSync('apt-get', ['update'], quiet)
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], quiet)
  return find(program)
}
