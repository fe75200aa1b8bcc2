import { KeepAliveConnection, postRequest } from './keepAliveConnection.mjs'
import { BATCH_ROWS, heldOutApplications } from './requests.mjs'

const BATCH = `mutation Batch($input: PredictRiskBatchInput!) {
  predictRiskBatch(input: $input) { results { errors { code } prediction { id highRisk } } }
}`
const SINGLE = 'mutation Single($input: PredictRiskInput!) { predictRisk(input: $input) { prediction { id } } }'
const ONE = 'query One($id: ID!) { prediction(id: $id) { id applicantId features { name number category } } }'
const PAGE = `query Page { predictions(first: ${BATCH_ROWS}) { nodes { id applicantId probability } } }`

/** A web shop that scores, and a risk desk that reads. */
export class CapacityCalls {
  #port
  #headers
  #applications
  #scored = 0

  static async open({ url, headersOf }) {
    const calls = new CapacityCalls()
    calls.#port = Number(new URL(url).port)
    calls.#headers = { SCORER: await headersOf('SCORER', 'web-shop'), ANALYST: await headersOf('ANALYST', 'risk-desk') }
    calls.#applications = await heldOutApplications()
    return calls
  }

  /** Scores so many applicants in batches; returns how many were high risk, and the id of one prediction of each batch. */
  async scoreBatches(number, connections) {
    let highRisk = 0
    const ids = []
    await this.#together(connections, number, BATCH_ROWS, async (send, items) => {
      const { predictRiskBatch } = await send('SCORER', BATCH, { input: { items } })
      for (const { errors, prediction } of predictRiskBatch.results) {
        if (!prediction) throw new Error(`a row was refused: ${JSON.stringify(errors)}`)
        if (prediction.highRisk) highRisk++
      }
      ids.push(predictRiskBatch.results[0].prediction.id)
    })
    return { highRisk, ids }
  }

  scoreSingles(number, connections) {
    return this.#together(connections, number, 1, (send, [input]) => send('SCORER', SINGLE, { input }))
  }

  /** Reads each of these predictions with its features. */
  readEach(ids) {
    return this.#over(1, async send => {
      for (const id of ids) await send('ANALYST', ONE, { id })
    })
  }

  readPages(number) {
    return this.#over(1, async send => {
      for (let page = 0; page < number; page++) await send('ANALYST', PAGE, {})
    })
  }

  #together(connections, number, size, score) {
    const end = this.#scored + number
    return this.#over(connections, async send => {
      while (this.#scored < end) {
        const first = this.#scored
        this.#scored = Math.min(end, first + size)
        await score(
          send,
          Array.from({ length: this.#scored - first }, (_, i) => this.#input(first + i)),
        )
      }
    })
  }

  /** Each prediction is of another applicant, as in a shop. */
  #input(n) {
    const { channel, features } = this.#applications[n % this.#applications.length]
    return { applicantId: `A-${n}`, idempotencyKey: `A-${n}/1`, channel, features: { consumerCredit: features } }
  }

  async #over(connections, work) {
    const sockets = await Promise.all(Array.from({ length: connections }, () => KeepAliveConnection.open(this.#port)))
    try {
      await Promise.all(sockets.map(socket => work((...asked) => this.#send(socket, ...asked))))
    } finally {
      for (const socket of sockets) socket.close()
    }
  }

  async #send(socket, role, query, variables) {
    const body = JSON.stringify({ query, variables })
    const answer = await socket.send(postRequest({ path: '/graphql', headers: this.#headers[role], body }))
    const { data, errors } = JSON.parse(answer.body)
    if (errors) throw new Error(`the gateway answered ${answer.status}: ${JSON.stringify(errors)}`)
    return data
  }
}
