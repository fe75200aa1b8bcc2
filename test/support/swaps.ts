import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadRelease } from '../../src/releases/serving/loadRelease.js'
import type { LoadVersion, WantedVersions } from '../../src/releases/serving/swap.js'
import type { FeatureValues } from '../../src/scoring/features.js'
import type { InstalledVersion } from '../../src/scoring/release.js'
import { bundledVersion } from './admittedVersions.js'
import { signToken, startGateway, type TestGateway } from './gateway.js'
import { metric } from './metrics.js'

const MODEL = 'consumer-credit'
const VERSIONS = ['1', '2'] as const

/** What a load found: see swapLoad.mjs. */
export interface LoadResults {
  readonly singles: number
  readonly batches: number
  readonly failed: readonly unknown[]
  /** Answers whose probability is not that of their version. */
  readonly wrong: number
  /** Batches whose rows were scored by more than one version. */
  readonly mixed: number
  /** Answers of another version than that which scored the applicant first. */
  readonly moved: number
  readonly versions: Readonly<Record<string, number>>
  readonly latencies: readonly number[]
}

/** A gateway on the bundled model, another process that sends it applications, and what swaps its versions. */
export class SwapStage implements AsyncDisposable {
  readonly #gateway: TestGateway
  readonly #loader = fork(fileURLToPath(new URL('swapLoad.mjs', import.meta.url)))
  readonly #job: Record<string, unknown>
  readonly #versions: readonly InstalledVersion[]
  readonly #load: LoadVersion

  private constructor(
    gateway: TestGateway,
    job: Record<string, unknown>,
    versions: readonly InstalledVersion[],
    load: LoadVersion,
  ) {
    this.#gateway = gateway
    this.#job = job
    this.#versions = versions
    this.#load = load
  }

  static async open(connections: number): Promise<SwapStage> {
    const gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' })
    const [first, second] = [await bundledVersion('1'), await bundledVersion('2')]
    const rows: readonly FeatureValues[] = second.rows.slice(0, 200)
    const admitted = new Map([first, second].map(version => [version.manifest.version, version]))
    const load: LoadVersion = (version, purpose) => {
      const found = admitted.get(version)
      if (!found) throw new Error('there is no such version')
      return loadRelease(found, {
        observeScoring: () => {},
        warn: () => {},
        workerEnded: () => {},
        alwaysInWorker: purpose === 'shadow',
      })
    }
    const expected: Record<string, readonly number[]> = {}
    for (const version of VERSIONS) {
      const release = await load(version, 'answers')
      const scores = await Promise.all(rows.map(row => release.score(row)))
      expected[version] = scores.map(({ probability }) => probability)
      await release.retire()
    }
    const token = await signToken({ roles: ['SCORER'] })
    const job = { url: gateway.url, token, connections, rows, expected, model: MODEL }
    const versions = [first, second].map(
      ({ manifest }): InstalledVersion => ({
        model: MODEL,
        version: manifest.version,
        stage: 'CANDIDATE',
        manifest,
        problems: [],
        warnings: [],
      }),
    )
    return new SwapStage(gateway, job, versions, load)
  }

  apply(wanted: Partial<WantedVersions>): Promise<readonly string[]> {
    const nobody = { champion: undefined, challenger: undefined, shadow: undefined }
    return this.#gateway.serving.apply(MODEL, { ...nobody, versions: this.#versions, ...wanted }, this.#load)
  }

  /** As in test/support/metrics.ts. */
  metric(name: string, labels: Record<string, string>): Promise<number | undefined> {
    return metric(this.#gateway, name, labels)
  }

  /** Makes each version champion in turn, with a pause between. Returns the milliseconds of the swaps. */
  async swap(times: number, pauseMs: number): Promise<number[]> {
    const took: number[] = []
    for (let i = 0; i < times; i++) {
      const startedAt = performance.now()
      const problems = await this.apply({ champion: VERSIONS[i % 2] })
      if (problems.length > 0) throw new Error(problems.join())
      took.push(performance.now() - startedAt)
      await sleep(pauseMs)
    }
    return took
  }

  /** Sends applications for as long as the work takes. */
  async under(work: () => Promise<unknown>): Promise<LoadResults> {
    const results = this.send(Number.MAX_SAFE_INTEGER)
    await work()
    this.#loader.send({ kind: 'stop' })
    return results
  }

  async send(calls: number): Promise<LoadResults> {
    const answer = once(this.#loader, 'message')
    this.#loader.send({ kind: 'start', ...this.#job, calls })
    const [results] = (await answer) as [LoadResults]
    return results
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#loader.disconnect()
    await once(this.#loader, 'exit')
    await this.#gateway[Symbol.asyncDispose]()
  }
}

/** Memory of this process after a garbage collection, in MiB. */
export function memoryNow(): { heap: number; resident: number } {
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc') as () => void
  gc()
  gc()
  const { heapUsed, rss } = process.memoryUsage()
  return { heap: heapUsed / 2 ** 20, resident: rss / 2 ** 20 }
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
