import { setTimeout as sleep } from 'node:timers/promises'
import { print } from 'graphql'
import { application, HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import { PredictRiskDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'
import type { SecureAnswer, SecureClient } from '../support/secureClient.js'

const CLIENTS = 12
const GRAPHQL_SCORE = print(PredictRiskDocument)

/** The kinds of calls, made in turn: scores over both APIs, with and without a key, and reads over both. */
const CALLS = ['graphql', 'rest', 'graphql with key', 'rest with key', 'graphql read', 'rest read'] as const
type Kind = (typeof CALLS)[number]

interface Call {
  readonly kind: Kind
  readonly path: string
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
}

interface Scored {
  readonly id: string
  readonly highRisk: boolean
}

export interface LoadOptions {
  /** Scores. */
  readonly scorer: SecureClient
  /** Reads what was scored. */
  readonly analyst: SecureClient
  readonly perSecond: number
}

/** An answer that was no success, or none. */
export interface Failure {
  readonly kind: Kind
  readonly at: number
  /** Absent where no gateway answered. */
  readonly requestId: string | undefined
  readonly isRetryable: boolean
  readonly text: string
}

/**
 * Clients that call steadily, each once at a time. A call is sent again only with its key, and only where a gateway asks for that or
 * where a fault took the answer.
 */
export class SteadyLoad {
  readonly #options: LoadOptions
  readonly #running: Promise<unknown>
  readonly #open = new Set<Promise<void>>()
  /** All predictions that a gateway has acknowledged. */
  readonly predictions = new Set<string>()
  /** Those of high risk. */
  readonly acknowledged = new Set<string>()
  readonly answered = new Map<Kind, number>()
  readonly failures: Failure[] = []
  /** Calls with a key that got no answer during a fault, and were sent again. */
  sentAgain = 0
  longestMs = 0
  #calls = 0
  #newest = ''
  #isFault = false
  #isStopped = false

  constructor(options: LoadOptions) {
    this.#options = options
    const startedAt = performance.now()
    this.#running = Promise.all(Array.from({ length: CLIENTS }, (_, i) => this.#work(i, startedAt)))
  }

  get count(): number {
    return [...this.answered.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Waits until so many more calls have been answered. */
  async answers(more: number): Promise<void> {
    const goal = this.count + more
    await until(() => this.count >= goal, 120_000)
  }

  /** Waits for the calls that are open now. */
  async settle(): Promise<void> {
    await Promise.all(this.#open)
  }

  /** From here on every score has a key, and may be sent again with it. Waits for the scores without a key. */
  async beginFault(): Promise<void> {
    this.#isFault = true
    this.longestMs = 0
    await this.settle()
  }

  endFault(): void {
    this.#isFault = false
  }

  /** Begins many calls at once. Resolves when the first has been answered, so that others are on their way. */
  async burst(count: number): Promise<void> {
    await Promise.race(Array.from({ length: count }, () => this.#call()))
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
    await this.settle()
  }

  async #work(client: number, startedAt: number): Promise<void> {
    const { perSecond } = this.#options
    for (let i = 0; !this.#isStopped; i++) {
      const dueMs = ((i * CLIENTS + client) / perSecond) * 1_000
      await sleep(Math.max(0, startedAt + dueMs - performance.now()))
      await this.#call()
    }
  }

  async #call(): Promise<void> {
    const answered = this.#answer(this.#nextCall(), performance.now())
    this.#open.add(answered)
    await answered.finally(() => this.#open.delete(answered))
  }

  #nextCall(): Call {
    const number = this.#calls++
    const kind = CALLS[number % CALLS.length] as Kind
    if (kind.endsWith('read')) return this.#read(kind)
    const door = kind.startsWith('graphql') ? 'graphql' : 'rest'
    return scoreOf(door, `steady-${number}`, kind.endsWith('key') || this.#isFault)
  }

  #read(kind: Kind): Call {
    if (kind === 'rest read') return { kind, path: this.#newest ? `/api/predictions/${this.#newest}` : '/api/models' }
    return { kind, path: '/graphql', body: JSON.stringify({ query: '{ predictions(first: 5) { nodes { id } } }' }) }
  }

  async #answer({ kind, path, body, headers }: Call, begunAt: number): Promise<void> {
    const client = kind.endsWith('read') ? this.#options.analyst : this.#options.scorer
    for (;;) {
      const answer = await client.call(path, body, headers).catch((error: Error) => error)
      if (!(answer instanceof Error) && isGood(answer)) {
        this.#file(kind, answer)
        break
      }
      const failure = failureOf(kind, answer)
      const isOfFault = this.#isFault && failure.requestId === undefined
      if (isOfFault) this.sentAgain++
      else this.failures.push(failure)
      const mayBeSentAgain = kind.endsWith('key') || kind === 'graphql read'
      if (!mayBeSentAgain || !(isOfFault || failure.isRetryable)) break
    }
    this.longestMs = Math.max(this.longestMs, performance.now() - begunAt)
  }

  #file(kind: Kind, { text }: SecureAnswer): void {
    this.answered.set(kind, (this.answered.get(kind) ?? 0) + 1)
    if (kind.endsWith('read')) return
    const answer = JSON.parse(text) as Scored & { data?: { predictRisk: { prediction: Scored } } }
    const { id, highRisk } = answer.data?.predictRisk.prediction ?? answer
    this.predictions.add(id)
    if (highRisk) this.acknowledged.add(id)
    this.#newest = id
  }
}

/** A score. One with a key is of high risk: after a lost answer, only a key tells whether there is an alert. */
function scoreOf(door: 'graphql' | 'rest', name: string, isKeyed: boolean): Call {
  const features = isKeyed ? HIGH_RISK : LOW_RISK
  const kind: Kind = isKeyed ? `${door} with key` : door
  if (door === 'rest') {
    const body = JSON.stringify({ applicantId: name, model: 'consumer-credit', features })
    return { kind, path: '/api/predict', body, ...(isKeyed && { headers: { 'idempotency-key': name } }) }
  }
  const input = { ...application(name, features), ...(isKeyed && { idempotencyKey: name }) }
  return { kind, path: '/graphql', body: JSON.stringify({ query: GRAPHQL_SCORE, variables: { input } }) }
}

function isGood({ status, text }: SecureAnswer): boolean {
  return status === 200 && !text.includes('"errors":[{')
}

function failureOf(kind: Kind, answer: SecureAnswer | Error): Failure {
  const isError = answer instanceof Error
  const requestId = isError ? undefined : answer.headers['x-request-id']
  const text = isError ? answer.message : `${answer.status} ${answer.text.slice(0, 300)}`
  return { kind, at: Date.now(), requestId: requestId?.toString(), isRetryable: text.includes('"retryable":true'), text }
}
