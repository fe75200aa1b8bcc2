import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { GraphqlClient } from '../support/client.js'
import { type Caller, signToken } from '../support/gateway.js'
import { TEST_KEY } from '../support/gatewayProcess.js'
import { endProcess, until } from '../support/process.js'
import { freePort } from '../support/redis.js'

export interface OldGateway extends AsyncDisposable {
  readonly url: string
  /** Its output so far, one entry for each line. */
  log(): Record<string, unknown>[]
  as(caller: Caller): Promise<GraphqlClient>
}

/** Starts a gateway of the release that stands in `folder`, and waits until it is ready. */
export async function startOldGateway(folder: string, databaseUrl: string): Promise<OldGateway> {
  const cwd = mkdtempSync(join(tmpdir(), 'riskgate-old-'))
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const env = {
    ...TEST_KEY,
    PATH: process.env.PATH ?? '',
    DATABASE_URL: databaseUrl,
    RISKGATE_PORT: String(port),
    RISKGATE_MODELS_DIR: join(folder, 'models'),
    RISKGATE_DRAIN_MS: '0',
  }
  const child = spawn(process.execPath, [join(folder, 'dist/main.js')], { cwd, env, stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  const ended = once(child, 'exit').then(([status]) => {
    throw new Error(`The old gateway ended with ${status}: ${output}`)
  })
  ended.catch(() => {})
  const isReady = () =>
    fetch(`${url}/readyz`).then(
      ({ ok }) => ok,
      () => false,
    )
  await Promise.race([ended, until(isReady, 60_000)])
  return {
    url,
    log: () =>
      output
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line) as Record<string, unknown>),
    as: async caller => new GraphqlClient(url, await signToken(caller)),
    async [Symbol.asyncDispose]() {
      await endProcess(child.pid, 'SIGTERM')
      rmSync(cwd, { recursive: true, force: true })
    },
  }
}
