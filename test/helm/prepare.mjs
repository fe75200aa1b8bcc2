// Prepares `npm run test:helm`: builds helm from its Go module and installs the Python programs, once for each version.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { CACHE, HELM, PYTHON_PACKAGES, PYTHON_PROGRAMS } from './tools.mjs'

const HELM_MODULE = 'helm.sh/helm/v4/cmd/helm@v4.3.2'

mkdirSync(CACHE, { recursive: true })
if (!existsSync(HELM)) {
  say(`building ${HELM_MODULE}, some minutes`)
  inDraft(HELM, draft => run('go', ['install', HELM_MODULE], { GOBIN: draft, GOFLAGS: '' }), 'helm')
}
if (!existsSync(PYTHON_PROGRAMS)) {
  say(`installing ${PYTHON_PACKAGES.join(', ')}`)
  // Not moved into place: the programs of such a folder hold its path.
  try {
    run('python3', ['-m', 'venv', PYTHON_PROGRAMS])
    run(`${PYTHON_PROGRAMS}/bin/pip`, ['install', '--quiet', ...PYTHON_PACKAGES])
  } catch (error) {
    rmSync(PYTHON_PROGRAMS, { recursive: true, force: true })
    throw error
  }
}

/** Makes a file in a folder of its own: a build that was interrupted leaves nothing under the final name. */
function inDraft(path, make, name) {
  const draft = `${path}.${process.pid}`
  try {
    make(draft)
    renameSync(`${draft}/${name}`, path)
  } finally {
    rmSync(draft, { recursive: true, force: true })
  }
}

function run(program, arguments_, env = {}) {
  execFileSync(program, arguments_, { stdio: 'inherit', env: { ...process.env, ...env } })
}

function say(what) {
  process.stdout.write(`test:helm: ${what}\n`)
}
