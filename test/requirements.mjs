// Programs that the tests need besides npm packages: found, or installed where that is possible.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const REQUIREMENTS = [
  {
    name: 'redis',
    program: 'redis-server',
    package: 'redis-server',
    howTo: 'apt-get install redis-server',
    variable: 'TEST_REDIS_SERVER',
  },
]

/** The path of each required program, as environment variables; prints a NOT RUN line for each missing one. */
export function findRequirements() {
  const found = {}
  let isComplete = true
  for (const { name, program, package: debianPackage, howTo, variable } of REQUIREMENTS) {
    const path = find(program) ?? install(debianPackage, program)
    if (path) found[variable] = path
    else {
      console.log(`NOT RUN: ${name} (${howTo})`)
      isComplete = false
    }
  }
  return { found, isComplete }
}

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
