// Programs that the tests need besides npm packages: found, or installed where that is possible.
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'

const REQUIREMENTS = [
  {
    name: 'redis',
    locate: () => find('redis-server'),
    package: 'redis-server',
    howTo: 'apt-get install redis-server',
    variable: 'TEST_REDIS_SERVER',
  },
  {
    name: 'faketime',
    locate: findFaketime,
    package: 'faketime',
    howTo: 'apt-get install faketime',
    variable: 'TEST_FAKETIME',
  },
  {
    name: 'C compiler, for faketime',
    locate: () => find('cc') ?? find('gcc') ?? find('tcc'),
    package: 'tcc',
    howTo: 'apt-get install tcc',
    variable: 'TEST_COMPILER',
  },
  {
    name: 'promtool',
    locate: () => find('promtool'),
    package: 'prometheus',
    howTo: 'apt-get install prometheus',
    variable: 'TEST_PROMTOOL',
  },
  {
    name: 'nginx',
    locate: () => find('nginx') ?? ['/usr/sbin/nginx'].find(existsSync),
    package: 'nginx-light',
    howTo: 'apt-get install nginx-light',
    variable: 'TEST_NGINX',
  },
  {
    name: 'pgbouncer',
    locate: () => find('pgbouncer') ?? ['/usr/sbin/pgbouncer'].find(existsSync),
    package: 'pgbouncer',
    howTo: 'apt-get install pgbouncer',
    variable: 'TEST_PGBOUNCER',
  },
]

/**
 * The path of each required program, as environment variables; prints a NOT RUN line for each missing one.
 * @param {string[]} variables the programs to find; all of them unless given
 */
export function findRequirements(variables = REQUIREMENTS.map(({ variable }) => variable)) {
  const found = {}
  let isComplete = true
  for (const { name, locate, package: debianPackage, howTo, variable } of REQUIREMENTS) {
    if (!variables.includes(variable)) continue
    const path = locate() ?? install(debianPackage, locate)
    if (path) found[variable] = path
    else {
      console.log(`NOT RUN: ${name} (${howTo})`)
      isComplete = false
    }
  }
  return { found, isComplete }
}

/**
 * Installs Debian packages for programs that are not there yet.
 * @param {Record<string, string>} packages program -> the package that has it
 * @returns {string[]} the programs that are still missing
 */
export function ensurePrograms(packages) {
  for (const [program, debianPackage] of Object.entries(packages)) {
    if (!find(program)) install(debianPackage, () => find(program))
  }
  return Object.keys(packages).filter(program => !find(program))
}

function find(program) {
  return (process.env.PATH ?? '')
    .split(delimiter)
    .map(directory => join(directory, program))
    .find(existsSync)
}

/** The library that shifts the clock of a process. */
function findFaketime() {
  if (process.platform !== 'linux') return undefined
  const folders = ['/usr/lib', '/usr/local/lib'].filter(existsSync)
  return folders
    .flatMap(folder => [folder, ...readdirSync(folder).map(name => join(folder, name))])
    .map(folder => join(folder, 'faketime/libfaketimeMT.so.1'))
    .find(existsSync)
}

function install(debianPackage, locate) {
  if (process.getuid?.() !== 0 || !find('apt-get')) return undefined
  console.log(`installing ${debianPackage} for the tests`)
  // In runlevel 1 a package starts no server of its own.
  const quiet = { stdio: 'ignore', env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' } }
  spawnSync('apt-get', ['update'], quiet)
  spawnSync('apt-get', ['install', '-y', '--no-install-recommends', debianPackage], quiet)
  return locate()
}
