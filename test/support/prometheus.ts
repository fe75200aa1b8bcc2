import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { until } from './process.js'
import { freePort } from './redis.js'

/** Path of prometheus; it comes with promtool, which the test command finds or installs. */
const PROMETHEUS = process.env.TEST_PROMTOOL && join(dirname(process.env.TEST_PROMTOOL), 'prometheus')

export interface QueryResult {
  readonly metric: Readonly<Record<string, string>>
  /** Seconds since 1970, and the value as a text. */
  readonly values: readonly (readonly [number, string])[]
}

export interface TestPrometheus extends AsyncDisposable {
  /** The series of a query over the last seconds, one value for each step. */
  range(query: string, seconds: number, stepSeconds: number): Promise<readonly QueryResult[]>
  /** The newest value of a query with one result; undefined where there is none. */
  value(query: string): Promise<number | undefined>
}

export interface ScrapeTarget {
  readonly job: string
  readonly url: string
}

/** Starts a real Prometheus that scrapes every second with a token, and evaluates the rules of these files. */
export async function startPrometheus(
  targets: readonly ScrapeTarget[],
  token: string,
  rules: readonly string[],
): Promise<TestPrometheus> {
  if (!PROMETHEUS) throw new Error('Install prometheus: apt-get install prometheus')
  const directory = await mkdtemp(join(tmpdir(), 'riskgate-prometheus-'))
  const config = {
    global: { scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: targets.map(({ job, url }) => ({
      job_name: job,
      scheme: new URL(url).protocol.slice(0, -1),
      tls_config: { insecure_skip_verify: true },
      authorization: { credentials: token },
      static_configs: [{ targets: [new URL(url).host] }],
    })),
  }
  // JSON is YAML.
  await writeFile(join(directory, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const child = spawn(
    PROMETHEUS,
    [
      `--config.file=${join(directory, 'prometheus.yml')}`,
      `--storage.tsdb.path=${join(directory, 'data')}`,
      `--web.listen-address=127.0.0.1:${port}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  )
  const exited = once(child, 'exit')
  const url = `http://127.0.0.1:${port}`
  await until(
    () =>
      fetch(`${url}/-/ready`).then(
        ({ ok }) => ok,
        () => false,
      ),
    30_000,
  )

  async function ask<Result>(path: string, parameters: Record<string, string>): Promise<readonly Result[]> {
    const response = await fetch(`${url}/api/v1/${path}?${new URLSearchParams(parameters)}`)
    const { status, error, data } = (await response.json()) as { status: string; error?: string; data: { result: Result[] } }
    if (status !== 'success') throw new Error(`${parameters.query}: ${error}`)
    return data.result
  }

  return {
    range(query, seconds, stepSeconds) {
      const end = Date.now() / 1_000
      return ask('query_range', { query, start: String(end - seconds), end: String(end), step: String(stepSeconds) })
    },
    async value(query) {
      const [result] = await ask<{ value: [number, string] }>('query', { query })
      return result && Number(result.value[1])
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await exited
      await rm(directory, { recursive: true, force: true })
    },
  }
}
