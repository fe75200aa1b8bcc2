// `npm run test:openapi`: Schemathesis sends thousands of requests made from openapi.json to a real gateway, and compares each answer
// with the document. It needs Python 3; the first run installs Schemathesis into a cache.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const VERSION = '4.32.5'
const PYTHON = join(process.env.TEST_OPENAPI_CACHE ?? join(homedir(), '.cache/riskgate-tools'), `schemathesis-${VERSION}`)
const CONFIG = join(import.meta.dirname, 'schemathesis.toml')
const { SEED = '1', EXAMPLES = '200' } = process.env

if (!existsSync(join(PYTHON, 'bin/schemathesis'))) {
  mkdirSync(PYTHON, { recursive: true })
  execFileSync('python3', ['-m', 'venv', PYTHON], { stdio: 'inherit' })
  execFileSync(join(PYTHON, 'bin/pip'), ['install', '--quiet', `schemathesis==${VERSION}`], { stdio: 'inherit' })
}

const folder = mkdtempSync(join(tmpdir(), 'riskgate-openapi-'))
const environment = { ...process.env, RISKGATE_PORT: '0', RISKGATE_STATE_DIR: join(folder, 'state') }
const gateway = spawn(process.execPath, ['dist/main.js'], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
const ended = once(gateway, 'exit')
let status = 1
try {
  const url = await urlOf(gateway)
  const token = execFileSync(process.execPath, ['dist/main.js', 'token', '--role', 'ADMIN'], {
    env: environment,
    encoding: 'utf8',
  })
  const arguments_ = [
    ...['--config-file', CONFIG, 'run', `${url}/api/openapi.json`],
    ...['--header', `Authorization: Bearer ${token.trim()}`],
    ...['--max-examples', EXAMPLES, '--seed', SEED],
  ]
  const schemathesis = spawn(join(PYTHON, 'bin/schemathesis'), arguments_, { stdio: 'inherit', cwd: folder })
  ;[status] = await once(schemathesis, 'exit')
} finally {
  gateway.kill('SIGTERM')
  await ended
  rmSync(folder, { recursive: true, force: true })
}
process.exit(status ?? 1)

/** The address that the gateway tells in its log. Its other lines are read too: a full pipe would lose them. */
function urlOf({ stdout }) {
  return new Promise((resolve, reject) => {
    const lines = createInterface({ input: stdout })
    lines.on('line', line => {
      const { message, 'riskgate.url': url } = JSON.parse(line)
      if (message === 'riskgate serves') resolve(url)
    })
    lines.on('close', () => reject(new Error('The gateway ended before it served.')))
  })
}
