// `npm run test:mlflow`: installs MLflow in a virtual environment of its own, and tests against it. TEST_MLFLOW_PYTHON names the
// Python of an environment that has it already.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const folder = mkdtempSync(join(tmpdir(), 'riskgate-mlflow-'))
try {
  process.exitCode = run(process.env.TEST_MLFLOW_PYTHON ?? installed())
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** The Python that has the MLflow of training/requirements-mlflow.txt. */
function installed() {
  process.stdout.write('installing MLflow, which takes about two minutes\n')
  execFileSync(process.env.PYTHON ?? 'python3', ['-m', 'venv', folder])
  const python = join(folder, 'bin/python')
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', 'training/requirements-mlflow.txt']
  execFileSync(python, pip, { stdio: ['ignore', 'ignore', 'inherit'] })
  return python
}

function run(python) {
  const env = { ...process.env, TEST_MLFLOW_PYTHON: python }
  return spawnSync(process.execPath, ['test/run.mjs', 'test/mlflow'], { stdio: 'inherit', env }).status ?? 1
}
