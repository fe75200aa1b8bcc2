// `npm run test:compose`: checks deploy/compose.yaml and the files beside it, and runs NGINX, Prometheus and Redis with them in front
// of two gateways. No Docker engine is needed: the programs are Debian's, in a network and a /run/secrets of their own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ensurePrograms } from '../requirements.mjs'

// The library with which Docker Compose itself reads compose files.
const CHECKER = 'github.com/compose-spec/compose-go/v2/cmd@v2.16.2'
const PROGRAMS = {
  go: 'golang-go',
  nginx: 'nginx-light',
  prometheus: 'prometheus',
  amtool: 'prometheus-alertmanager',
  'redis-server': 'redis-server',
  psql: 'postgresql-client',
  ip: 'iproute2',
  openssl: 'openssl',
}
const ADDRESSES = ['172.30.117.10', '172.30.117.11', '172.30.117.12']
const HOSTS = `127.0.0.1 localhost postgres redis alertmanager loki
${ADDRESSES[0]} nginx
${ADDRESSES[1]} gateway-1
${ADDRESSES[2]} gateway-2
`

const missing = process.platform === 'linux' && process.getuid() === 0 ? ensurePrograms(PROGRAMS) : ['Linux, as root']
if (missing.length > 0) {
  process.stdout.write(`NOT RUN: test:compose needs ${missing.join(', ')}\n`)
  process.exit(2)
}

const folder = mkdtempSync(join(tmpdir(), 'riskgate-compose-'))
try {
  process.exitCode = (await prepare()) || (await test())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** A copy of deploy/ with secrets, the checker, and the names that the containers have for each other. */
async function prepare() {
  cpSync('deploy', join(folder, 'deploy'), { recursive: true, filter: path => !path.endsWith('deploy/secrets') })
  mkdirSync(join(folder, 'deploy/secrets'))
  // The secret with which the tests sign their tokens: the script keeps what is there.
  writeFileSync(join(folder, 'deploy/secrets/jwt-secret'), 'a secret for tests, of 32 bytes or more')
  writeFileSync(join(folder, 'hosts'), HOSTS)
  const checker = await run('go', ['install', CHECKER], { GOBIN: folder, GOFLAGS: '-mod=mod' })
  return checker || run('sh', [join(folder, 'deploy/secrets.sh'), 'riskgate.test', 'localhost'])
}

function test() {
  const script = [
    'set -e',
    'ip link set lo up',
    ...ADDRESSES.map(address => `ip address add ${address}/32 dev lo`),
    `mount --bind ${join(folder, 'hosts')} /etc/hosts`,
    `mkdir -p /run/secrets`,
    `mount --bind ${join(folder, 'deploy/secrets')} /run/secrets`,
    'exec node test/run.mjs test/containers/compose.test.ts test/containers/together.test.ts',
  ]
  const certificates = join(folder, 'certificates')
  const texts = ['tls', 'gateway'].map(name => readFileSync(join(folder, `deploy/secrets/${name}-certificate`), 'utf8'))
  writeFileSync(certificates, texts.join(''))
  const own = { TEST_CONTAINERS: '1', TEST_COMPOSE_FOLDER: join(folder, 'deploy'), TEST_COMPOSE_CHECKER: join(folder, 'cmd') }
  return run('unshare', ['--net', '--mount', 'sh', '-c', script.join('\n')], { ...own, NODE_EXTRA_CA_CERTS: certificates })
}

/** The exit code of a program. */
async function run(program, arguments_, environment = {}) {
  const child = spawn(program, arguments_, { stdio: 'inherit', env: { ...process.env, ...environment } })
  const [code] = await once(child, 'exit')
  return code ?? 1
}
