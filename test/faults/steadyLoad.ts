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

/** Clients that call steadily, each once at a time. No call is sent again unless `isFault` allows it, and then only with its key. */
export class SteadyLoad {
  readonly #options: LoadOptions
  readonly #running: Promise<unknown>
  /** All predictions that a gateway has acknowledged. */
  readonly predictions = new Set<string>()
  /** Those of high risk. */
  readonly acknowledged = new Set<string>()
  readonly answered = new Map<Kind, number>()
  /** Calls that failed and were not sent again, in words. */
  readonly failures: string[] = []
  /** Calls with a key that got no answer during a fault, and were sent again. */
  sentAgain = 0
  longestMs = 0
  #calls = 0
  #unkeyed = 0
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
    await until(() => this.count >= goal, 60_000)
  }

  /** From here on every score has a key, and may be sent again with it. Waits for the scores without a key. */
  async beginFault(): Promise<void> {
    this.#isFault = true
    await until(() => this.#unkeyed === 0)
  }

  endFault(): void {
    this.#isFault = false
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #work(client: number, startedAt: number): Promise<void> {
    const { perSecond } = this.#options
    for (let i = 0; !this.#isStopped; i++) {
      const dueMs = ((i * CLIENTS + client) / perSecond) * 1_000
      await sleep(Math.max(0, startedAt + dueMs - performance.now()))
      await this.#answer(this.#nextCall(), performance.now())
    }
  }

  #nextCall(): Call {
    const number = this.#calls++
    const kind = CALLS[number % CALLS.length] as Kind
    if (kind.endsWith('read')) return this.#read(kind)
    const door = kind.startsWith('graphql') ? 'graphql' : 'rest'
    const isKeyed = kind.endsWith('key') || this.#isFault
    return scoreOf(door, `steady-${number}`, number % 4 < 2, isKeyed)
  }

  #read(kind: Kind): Call {
    if (kind === 'rest read') return { kind, path: this.#newest ? `/api/predictions/${this.#newest}` : '/api/models' }
    return { kind, path: '/graphql', body: JSON.stringify({ query: '{ predictions(first: 5) { nodes { id } } }' }) }
  }

  async #answer(call: Call, begunAt: number): Promise<void> {
    const { scorer, analyst } = this.#options
    const { kind, path, body, headers } = call
    const isRead = kind.endsWith('read')
    const mayBeSentAgain = kind.endsWith('key') || kind === 'graphql read'
    const isUnkeyed = !isRead && !mayBeSentAgain
    if (isUnkeyed) this.#unkeyed++
    for (;;) {
      const answer = await (isRead ? analyst : scorer).call(path, body, headers).catch((error: Error) => error)
      if (!(answer instanceof Error) && isGood(answer)) {
        this.#file(kind, answer)
        break
      }
      if (!this.#isFault || !mayBeSentAgain || !isUnanswered(answer)) {
        this.failures.push(
          `${kind}: ${answer instanceof Error ? answer.message : `${answer.status} ${answer.text.slice(0, 200)}`}`,
        )
        break
      }
      this.sentAgain++
    }
    if (isUnkeyed) this.#unkeyed--
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

function scoreOf(door: 'graphql' | 'rest', name: string, isHigh: boolean, isKeyed: boolean): Call {
  const features = isHigh ? HIGH_RISK : LOW_RISK
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

/** Whether no gateway answered: the connection broke, or nginx says so. */
function isUnanswered(answer: SecureAnswer | Error): boolean {
  return answer instanceof Error || (answer.status === 503 && answer.text.includes('OUTCOME_UNKNOWN'))
}
