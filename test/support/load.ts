import { HIGH_RISK, LOW_RISK } from './applicants.js'
import type { GraphqlClient } from './client.js'
import { PredictionByIdDocument, PredictRiskDocument } from './generated/operations.js'
import { until } from './process.js'

export interface Call {
  /** Its own for each call, so that rows can be counted by it. */
  readonly applicantId: string
  /** Absent in every third call. */
  readonly idempotencyKey?: string
}

export interface Failure extends Call {
  readonly status: number
  readonly code: string
  readonly retryable: boolean
}

/** What became of the calls of a load. */
export interface Outcomes {
  readonly acknowledged: (Call & { readonly id: string })[]
  readonly failed: Failure[]
  /** The connection broke before an answer. */
  readonly unanswered: Call[]
}

export const CLIENTS = 8

let calls = 0

export function newCall(): Call {
  const name = `load-${process.pid}-${++calls}`
  return calls % 3 === 0 ? { applicantId: name } : { applicantId: name, idempotencyKey: `key-${name}` }
}

/** Sends one call and files its outcome. */
export async function send(client: GraphqlClient, call: Call, outcomes: Outcomes): Promise<void> {
  const features = { consumerCredit: call.applicantId.endsWith('1') ? HIGH_RISK : LOW_RISK }
  const answer = await client.request(PredictRiskDocument, { input: { ...call, features } }).catch(() => undefined)
  if (!answer) return void outcomes.unanswered.push(call)
  const [error] = answer.errors ?? []
  if (answer.data && !error) return void outcomes.acknowledged.push({ ...call, id: answer.data.predictRisk.prediction.id })
  const { code = 'NONE', retryable = false } = error?.extensions ?? {}
  outcomes.failed.push({ ...call, status: answer.status, code, retryable })
}

/** Eight clients, each with one call at a time, until `isDone` says so or the gateway is gone. */
export async function runLoad(client: GraphqlClient, isDone: (outcomes: Outcomes) => boolean): Promise<Outcomes> {
  const outcomes: Outcomes = { acknowledged: [], failed: [], unanswered: [] }
  const work = async () => {
    while (!isDone(outcomes) && outcomes.unanswered.length === 0) await send(client, newCall(), outcomes)
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  return outcomes
}

/** The acknowledged predictions that the public API does not find; asks again while the store is away. */
export async function missing(client: GraphqlClient, { acknowledged }: Outcomes): Promise<string[]> {
  const lost: string[] = []
  const left = [...acknowledged]
  const work = async () => {
    for (let next = left.pop(); next; next = left.pop()) {
      const { id, applicantId } = next
      await until(async () => {
        const { data, errors } = await client.request(PredictionByIdDocument, { id })
        if (errors?.[0]?.extensions.retryable) return false
        if (data?.prediction?.applicantId !== applicantId) lost.push(id)
        return true
      })
    }
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  return lost
}
