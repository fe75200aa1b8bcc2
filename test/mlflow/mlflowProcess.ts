import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '../support/redis.js'

const START_MS = 90_000
const POLL_MS = 100

export interface MlflowProcess extends AsyncDisposable {
  readonly url: string
  /** Runs a Python program of the repository against this server. */
  python(...given: string[]): Promise<string>
  /** Calls the REST API below /api/2.0/mlflow, and returns its answer. */
  call(method: string, path: string, body: object): Promise<unknown>
}

/** Starts MLflow on loopback, with its database and its artifacts in a folder. It may call webhooks on this machine. */
export async function startMlflowProcess(python: string, directory: string): Promise<MlflowProcess> {
  mkdirSync(directory, { recursive: true })
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...process.env,
    MLFLOW_TRACKING_URI: url,
    MLFLOW_DISABLE_TELEMETRY: 'true',
    MLFLOW_SERVER_ENABLE_JOB_EXECUTION: 'false',
    MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS: 'true',
    MLFLOW_WEBHOOK_ALLOWED_SCHEMES: 'http',
    // It would remember for a minute that there were no webhooks.
    MLFLOW_WEBHOOK_CACHE_TTL: '0',
    MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY: Buffer.alloc(32, 7).toString('base64url').padEnd(44, '='),
    PYTHONDONTWRITEBYTECODE: '1',
    TMPDIR: directory,
  }
  const { MLFLOW_TRACKING_URI: _, ...ofServer } = env
  const log = join(directory, 'mlflow.log')
  const output = openSync(log, 'w')
  const store = [
    '--backend-store-uri',
    `sqlite:///${directory}/mlflow.db`,
    '--artifacts-destination',
    join(directory, 'artifacts'),
  ]
  const given = ['-m', 'mlflow', 'server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', ...store]
  // A process group of its own: MLflow starts further processes.
  const child = spawn(python, given, { cwd: directory, env: ofServer, detached: true, stdio: ['ignore', output, output] })
  closeSync(output)
  try {
    await answers(url, child)
  } catch (error) {
    await end(child)
    throw new Error(`${(error as Error).message}\n${readFileSync(log, 'utf8').slice(-3_000)}`)
  }
  return {
    url,
    python: async (...program) => (await promisify(execFile)(python, program, { env })).stdout,
    async call(method, path, body) {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${url}/api/2.0/mlflow/${path}`, { method, headers, body: JSON.stringify(body) })
      if (!response.ok) throw new Error(`${path}: ${await response.text()}`)
      return response.json()
    },
    [Symbol.asyncDispose]: () => end(child),
  }
}

async function answers(url: string, child: ChildProcess): Promise<void> {
  for (const until = performance.now() + START_MS; performance.now() < until; await sleep(POLL_MS)) {
    if (child.exitCode !== null) throw new Error(`MLflow ended with code ${child.exitCode}.`)
    const response = await fetch(`${url}/health`).catch(() => undefined)
    await response?.body?.cancel()
    if (response?.ok) return
  }
  throw new Error(`MLflow did not answer within ${START_MS / 1_000} s.`)
}

/** Ends it with all that it started. */
async function end(child: ChildProcess): Promise<void> {
  const group = -(child.pid as number)
  const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    try {
      process.kill(group, signal)
      for (let waited = 0; waited < 5_000; waited += POLL_MS) {
        await sleep(POLL_MS)
        process.kill(group, 0)
      }
    } catch {
      // The group has gone.
      break
    }
  }
  await exited
}
