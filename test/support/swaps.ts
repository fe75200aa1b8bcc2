import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { loadRelease } from '../../src/releases/serving/loadRelease.js'
import type { FeatureValues } from '../../src/scoring/features.js'
import { bundledVersion } from './admittedVersions.js'
import type { GraphqlClient } from './client.js'
import { signToken, startGateway, type TestGateway } from './gateway.js'
import { ModelsDocument, PromoteModelVersionDocument, SetTrafficSplitDocument } from './generated/operations.js'
import { metric } from './metrics.js'
import { until } from './process.js'

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
  readonly #manager: GraphqlClient

  private constructor(gateway: TestGateway, job: Record<string, unknown>, manager: GraphqlClient) {
    this.#gateway = gateway
    this.#job = job
    this.#manager = manager
  }

  static async open(connections: number): Promise<SwapStage> {
    const gateway = await startGateway({ RISKGATE_RATE_LIMIT_PRINCIPAL: '0', RISKGATE_RATE_LIMIT_TENANT: '0' })
    const [first, second] = [await bundledVersion('1'), await bundledVersion('2')]
    const rows: readonly FeatureValues[] = second.rows.slice(0, 200)
    const expected: Record<string, readonly number[]> = {}
    for (const version of [first, second]) {
      const release = await loadRelease(version, { observeScoring: () => {}, warn: () => {}, workerEnded: () => {} })
      const scores = await Promise.all(rows.map(row => release.score(row)))
      expected[version.manifest.version] = scores.map(({ probability }) => probability)
      await release.retire()
    }
    const token = await signToken({ roles: ['SCORER'] })
    const job = { url: gateway.url, token, connections, rows, expected, model: MODEL }
    return new SwapStage(gateway, job, await gateway.as({ roles: ['MODEL_MANAGER'] }))
  }

  /** Makes a version champion, and waits until the gateway has followed. */
  async promote(version: string): Promise<void> {
    await this.#manager.data(PromoteModelVersionDocument, { input: { model: MODEL, version, reason: 'a swap' } })
    await this.#until(versions => versions.find(({ stage }) => stage === 'CHAMPION')?.version === version)
  }

  async challenge(version: string, share: number): Promise<void> {
    const challenger = { version, share }
    await this.#manager.data(SetTrafficSplitDocument, { input: { model: MODEL, challenger, reason: 'a challenge' } })
    await this.#until(versions => versions.find(({ stage }) => stage === 'CHALLENGER')?.version === version)
  }

  async #until(isSo: (versions: readonly { version: string; stage: string }[]) => boolean): Promise<void> {
    await until(async () => {
      const { models } = await this.#manager.data(ModelsDocument, {})
      return isSo(models.find(({ name }) => name === MODEL)?.versions ?? [])
    })
  }

  /** As in test/support/metrics.ts. */
  metric(name: string, labels: Record<string, string>): Promise<number | undefined> {
    return metric(this.#gateway, name, labels)
  }

  /** Makes each version champion in turn, with a pause between. Returns the milliseconds from the call to its effect. */
  async swap(times: number, pauseMs: number): Promise<number[]> {
    const took: number[] = []
    for (let i = 0; i < times; i++) {
      const startedAt = performance.now()
      await this.promote(VERSIONS[i % 2] as string)
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
