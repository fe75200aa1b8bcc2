import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HIGH_RISK, LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'

// Everything of an applicant that is read through a loader.
const STATE = `
  fragment State on Applicant {
    latestPrediction { id outcome { defaulted } features { name number category } }
    predictions(first: 5) { nodes { id outcome { defaulted } } total { count exact } }
  }`
const scored = (alias: string, features: string) =>
  `${alias}: predictRisk(input: { applicantId: $applicant, features: { consumerCredit: ${features} } }) {
    prediction { id applicantId applicant { ...State } }
  }`

interface State {
  readonly latestPrediction: { readonly id: string } | null
  readonly predictions: { readonly nodes: readonly { readonly id: string }[] }
}
interface Scored {
  readonly prediction: { readonly id: string; readonly applicantId: string; readonly applicant: State }
}

describe('each mutation of one request', () => {
  let gateway: TestGateway
  let admin: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    admin = await gateway.as({ roles: ['ADMIN'] })
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  async function run<T>(query: string, variables: object): Promise<T> {
    const { data, errors } = await admin.send({ query, variables })
    expect(errors).toBeUndefined()
    return data as T
  }
  /** What a request of its own shows afterwards. */
  const stateOf = async (applicant: string) =>
    (await run<{ applicant: State }>(`query($applicant: ID!) { applicant(id: $applicant) { ...State } } ${STATE}`, { applicant }))
      .applicant

  it('shows its own prediction and those before it', async () => {
    const applicant = randomUUID()
    const declared = '$applicant: ID!, $low: ConsumerCreditFeaturesInput!, $high: ConsumerCreditFeaturesInput!'
    const query = `mutation(${declared}) { ${scored('a', '$low')} ${scored('b', '$high')} ${scored('c', '$low')} } ${STATE}`
    const { a, b, c } = await run<Record<'a' | 'b' | 'c', Scored>>(query, { applicant, low: LOW_RISK, high: HIGH_RISK })
    const ids = [a, b, c].map(({ prediction }) => prediction.id)
    for (const [i, { prediction }] of [a, b, c].entries()) {
      expect(prediction.applicant.latestPrediction?.id).toBe(prediction.id)
      expect(prediction.applicant.predictions.nodes.map(({ id }) => id)).toEqual(ids.slice(0, i + 1).reverse())
      expect(prediction.applicant.predictions).toMatchObject({ total: { count: i + 1, exact: true } })
    }
    expect(c.prediction.applicant).toEqual(await stateOf(applicant))
  })

  it('shows nothing that a mutation before it has erased', async () => {
    const applicant = randomUUID()
    const query = `
      mutation($applicant: ID!, $low: ConsumerCreditFeaturesInput!) {
        ${scored('a', '$low')}
        erased: eraseApplicant(input: { applicantId: $applicant }) { erased complete }
        ${scored('b', '$low')}
      } ${STATE}`
    const { a, b, ...rest } = await run<Record<'a' | 'b', Scored>>(query, { applicant, low: LOW_RISK })
    expect(rest).toEqual({ erased: { erased: 1, complete: true } })
    expect(JSON.stringify(b)).not.toContain(a.prediction.id)
    expect(b.prediction.applicant).toEqual(await stateOf(applicant))
  })

  it('shows an outcome that was recorded before it', async () => {
    const applicant = randomUUID()
    const first = await run<{ a: Scored }>(
      `mutation($applicant: ID!, $low: ConsumerCreditFeaturesInput!) { ${scored('a', '$low')} } ${STATE}`,
      { applicant, low: LOW_RISK },
    )
    const recorded = (alias: string, defaulted: boolean) => `
      ${alias}: recordOutcome(input: { predictionId: $id, defaulted: ${defaulted}, observedAt: $now }) {
        prediction { id applicant { ...State } outcome { defaulted } }
      }`
    const query = `mutation($id: ID!, $now: DateTime!) { ${recorded('a', true)} ${recorded('b', false)} } ${STATE}`
    const { a, b } = await run<Record<'a' | 'b', Scored>>(query, { id: first.a.prediction.id, now: new Date() })
    for (const [answer, defaulted] of [
      [a, true],
      [b, false],
    ] as const) {
      expect(answer.prediction).toMatchObject({
        outcome: { defaulted },
        applicant: { latestPrediction: { outcome: { defaulted } }, predictions: { nodes: [{ outcome: { defaulted } }] } },
      })
    }
    expect(b.prediction.applicant).toEqual(await stateOf(applicant))
  })
})
