import { setTimeout as sleep } from 'node:timers/promises'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { PredictRiskBatchDocument, type PredictRiskInput } from '../support/generated/operations.js'
import { oneOf, type Random } from '../support/random.js'
import { between } from './random.js'

// Writers that run at once: their statements overlap, and commit in another order than that of their sequence numbers.
const WRITERS = 4
const MAX_BATCH = 20
const SHARE_OF_LOW_RISK = 0.2
const RETRY_PAUSE_MS = [20, 200] as const

const WORTH_A_RETRY = ['SERVICE_UNAVAILABLE', 'OUTCOME_UNKNOWN']

export interface ScorerOptions {
  readonly clients: readonly GraphqlClient[]
  readonly alerts: number
  readonly alertsPerSecond: number
  readonly random: Random
  readonly signal: AbortSignal
}

/** Raises alerts with predictRiskBatch. Sends a batch again, with the same keys and to any gateway, until it succeeds. */
export class Scorer {
  readonly #options: ScorerOptions
  /** High-risk predictions that a gateway has acknowledged. */
  readonly acknowledged = new Set<string>()
  batches = 0
  /** Batches that were sent again after a failure or no answer. */
  sentAgain = 0
  #planned = 0
  #items = 0
  #startedAt = 0

  constructor(options: ScorerOptions) {
    this.#options = options
  }

  /** How much of the work is done, 0..1. */
  get share(): number {
    return this.acknowledged.size / this.#options.alerts
  }

  async run(): Promise<void> {
    this.#startedAt = performance.now()
    await Promise.all(Array.from({ length: WRITERS }, () => this.#work()))
  }

  async #work(): Promise<void> {
    const { alerts, signal } = this.#options
    while (this.#planned < alerts) {
      const dueMs = (this.#planned / this.#options.alertsPerSecond) * 1_000
      const batch = this.#nextBatch()
      await sleep(Math.max(0, this.#startedAt + dueMs - performance.now()), undefined, { signal })
      await this.#sendUntilAnswered(batch)
      this.batches++
    }
  }

  #nextBatch(): PredictRiskInput[] {
    const { random, alerts } = this.#options
    const size = 1 + Math.floor(random() * MAX_BATCH)
    const batch: PredictRiskInput[] = []
    while (batch.length < size && this.#planned < alerts) {
      const isLow = random() < SHARE_OF_LOW_RISK
      if (!isLow) this.#planned++
      const name = `fault-${++this.#items}`
      batch.push({ ...application(name, isLow ? LOW_RISK : HIGH_RISK), idempotencyKey: name })
    }
    return batch
  }

  async #sendUntilAnswered(items: PredictRiskInput[]): Promise<void> {
    const { random, clients, signal } = this.#options
    for (;;) {
      signal.throwIfAborted()
      const answer = await oneOf(random, clients)
        .request(PredictRiskBatchDocument, { items })
        .catch(() => undefined)
      const results = answer?.data?.predictRiskBatch.results
      const codes = [...(answer?.errors ?? []).map(({ extensions }) => extensions.code), ...(results ?? []).flatMap(codesOf)]
      const refused = codes.find(code => !WORTH_A_RETRY.includes(code))
      if (refused !== undefined) throw new Error(`A batch was refused with ${refused}.`)
      if (results && codes.length === 0) {
        for (const { prediction } of results) if (prediction?.highRisk) this.acknowledged.add(prediction.id)
        return
      }
      this.sentAgain++
      await sleep(between(random, ...RETRY_PAUSE_MS), undefined, { signal })
    }
  }
}

function codesOf({ errors }: { errors: readonly { code: string }[] }): string[] {
  return errors.map(({ code }) => code)
}
