import { HIGH_RISK, LOW_RISK } from './applicants.js'
import type { GraphqlClient } from './client.js'
import { PredictionByIdDocument, PredictRiskDocument } from './generated/operations.js'
import { until } from './process.js'

export interface Call {
  /** Different for each call, so that rows can be counted by it. */
  readonly applicantId: string
  /** Absent in every third call. */
  readonly idempotencyKey?: string
}

export interface Failure extends Call {
  readonly status: number
  readonly code: string
  readonly retryable: boolean
}

/** How the calls of a load ended. */
export interface CallResults {
  readonly acknowledged: (Call & { readonly id: string })[]
  readonly failed: Failure[]
  /** Calls whose connection broke before an answer. */
  readonly unanswered: Call[]
}

export const CLIENTS = 8

let calls = 0

export function newCall(): Call {
  const name = `load-${process.pid}-${++calls}`
  return calls % 3 === 0 ? { applicantId: name } : { applicantId: name, idempotencyKey: `key-${name}` }
}

/** Sends one call and files its result. */
export async function send(client: GraphqlClient, call: Call, results: CallResults): Promise<void> {
  const features = { consumerCredit: call.applicantId.endsWith('1') ? HIGH_RISK : LOW_RISK }
  const answer = await client.request(PredictRiskDocument, { input: { ...call, features } }).catch(() => undefined)
  if (!answer) return void results.unanswered.push(call)
  const [error] = answer.errors ?? []
  if (answer.data && !error) return void results.acknowledged.push({ ...call, id: answer.data.predictRisk.prediction.id })
  const { code = 'NONE', retryable = false } = error?.extensions ?? {}
  results.failed.push({ ...call, status: answer.status, code, retryable })
}

/** Runs eight clients, each with one call at a time, until `isDone` returns true or the gateway is gone. */
export async function runLoad(client: GraphqlClient, isDone: (results: CallResults) => boolean): Promise<CallResults> {
  const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
  const work = async () => {
    while (!isDone(results) && results.unanswered.length === 0) await send(client, newCall(), results)
  }
  await Promise.all(Array.from({ length: CLIENTS }, work))
  return results
}

/** The ids of acknowledged predictions that the public API does not find; asks again while the database is away. */
export async function missing(client: GraphqlClient, { acknowledged }: CallResults): Promise<string[]> {
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
