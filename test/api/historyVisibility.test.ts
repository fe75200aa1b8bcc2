import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Role } from '../../src/auth/principal.js'
import { application, HIGH_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  ApplicantHistoryDocument,
  ApplicantPagesDocument,
  HistoryDocument,
  PredictionByIdDocument,
  PredictionByKeyDocument,
} from '../support/generated/operations.js'
import { score, scoreBatch } from '../support/stored.js'

let gateway: TestGateway
let shop: GraphqlClient
let otherShop: GraphqlClient
let analyst: GraphqlClient
let stranger: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway()
  shop = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
  otherShop = await gateway.as({ roles: ['SCORER'], subject: 'other-shop' })
  analyst = await gateway.as({ roles: ['ANALYST'], subject: 'analyst' })
  stranger = await gateway.as({ roles: ['ADMIN'], subject: 'shop', tenant: 'other-bank' })
})
afterAll(() => gateway[Symbol.asyncDispose]())

const byId = async (client: GraphqlClient, id: string) => (await client.data(PredictionByIdDocument, { id })).prediction
const listed = async (client: GraphqlClient) =>
  (await client.data(HistoryDocument, { first: 100 })).predictions.nodes.map(({ id }) => id)
const applicant = async (client: GraphqlClient, id: string) => (await client.data(ApplicantHistoryDocument, { id })).applicant

describe('history', () => {
  it('shows a SCORER its own predictions, an ANALYST all of the tenant, and another tenant none', async () => {
    const mine = await score(shop, 'v-1')
    const theirs = await score(otherShop, 'v-1', HIGH_RISK)
    expect(await listed(shop)).toEqual([mine.id])
    expect(await listed(otherShop)).toEqual([theirs.id])
    expect(await listed(analyst)).toEqual([theirs.id, mine.id])
    expect(await listed(stranger)).toEqual([])
    const { predictions } = await shop.data(HistoryDocument, { filter: { highRisk: true } })
    expect(predictions.nodes).toEqual([])
  })

  it('answers a foreign id just like an unknown id and like a text that is not an id', async () => {
    const { id } = await score(shop, 'v-2')
    const absent = [randomUUID(), '00000000-0000-7000-8000-000000000000', 'no-uuid', '', `${id}0`, '1; select 1', `{${id}}`]
    for (const asked of [id, ...absent]) {
      for (const client of [stranger, otherShop]) {
        const { status, data, errors } = await client.request(PredictionByIdDocument, { id: asked })
        expect({ status, data, errors }).toEqual({ status: 200, data: { prediction: null }, errors: undefined })
      }
    }
    expect(await byId(shop, id)).toMatchObject({ id })
    expect(await byId(analyst, id)).toMatchObject({ id })
  })

  it('finds an id in upper case', async () => {
    const prediction = await score(shop, 'v-3')
    expect(await byId(shop, prediction.id.toUpperCase())).toEqual(prediction)
  })

  it('shows a prediction as it was answered when it was scored', async () => {
    const prediction = await score(shop, 'v-4', HIGH_RISK)
    expect(await byId(analyst, prediction.id)).toEqual(prediction)
  })

  it.each<Role>(['MONITOR', 'MODEL_MANAGER'])('is FORBIDDEN to a %s', async role => {
    const { id } = await score(shop, 'v-5')
    const client = await gateway.as({ roles: [role], subject: 'shop' })
    const answers = [
      await client.request(PredictionByIdDocument, { id }),
      await client.request(PredictionByKeyDocument, { key: 'k' }),
      await client.request(HistoryDocument, {}),
      await client.request(ApplicantHistoryDocument, { id: 'v-5' }),
    ]
    for (const { status, data, errors } of answers) {
      expect(status).toBe(403)
      expect(Object.values(data ?? {}).every(value => value === null)).toBe(true)
      expect(errors).toMatchObject([{ extensions: { code: 'FORBIDDEN' } }])
    }
  })

  it('grants the permissions of all roles of a token together', async () => {
    const { id } = await score(otherShop, 'v-6')
    const both = await gateway.as({ roles: ['SCORER', 'ANALYST'], subject: 'shop' })
    expect(await byId(both, id)).toMatchObject({ id })
  })
})

describe('an applicant', () => {
  it('has the newest prediction as its latest, at once after each score', async () => {
    for (let i = 0; i < 5; i++) {
      const prediction = await score(i % 2 ? shop : otherShop, 'latest', i % 2 ? HIGH_RISK : undefined)
      expect((await applicant(analyst, 'latest'))?.latestPrediction).toEqual(prediction)
      expect((await applicant(analyst, 'latest'))?.latestPrediction).toEqual(prediction)
    }
  })

  it('has the last row of a batch as its latest prediction', async () => {
    const scored = await scoreBatch(
      shop,
      Array.from({ length: 20 }, () => application('batched')),
    )
    expect((await applicant(analyst, 'batched'))?.latestPrediction).toEqual(scored.at(-1))
  })

  it('shows a SCORER its own latest prediction and list, even if another client scored later', async () => {
    const mine = await score(shop, 'shared')
    const theirs = await score(otherShop, 'shared')
    expect(await applicant(analyst, 'shared')).toMatchObject({ latestPrediction: { id: theirs.id } })
    expect(await applicant(shop, 'shared')).toEqual({
      id: 'shared',
      latestPrediction: mine,
      predictions: { nodes: [{ id: mine.id }] },
    })
  })

  it('is null for a SCORER that never scored it and for another tenant, even just after others read it', async () => {
    await score(shop, 'hidden')
    expect(await applicant(analyst, 'hidden')).toMatchObject({ id: 'hidden' })
    expect(await applicant(otherShop, 'hidden')).toBeNull()
    expect(await applicant(stranger, 'hidden')).toBeNull()
    for (const id of ['never', '', 'HIDDEN', 'hid%']) expect(await applicant(analyst, id)).toBeNull()
  })

  it('with the same reference in another tenant is another applicant', async () => {
    const here = await score(shop, 'both')
    const there = await score(stranger, 'both', HIGH_RISK)
    expect((await applicant(analyst, 'both'))?.latestPrediction).toEqual(here)
    expect((await applicant(stranger, 'both'))?.latestPrediction).toEqual(there)
    expect((await applicant(stranger, 'both'))?.predictions.nodes).toEqual([{ id: there.id }])
  })

  it('pages through its predictions, newest first', async () => {
    const scored = await scoreBatch(
      shop,
      Array.from({ length: 25 }, (_, i) => application(i % 5 === 0 ? 'someone-else' : 'paged')),
    )
    const wanted = scored.filter(({ applicantId }) => applicantId === 'paged').map(({ id }) => id)
    const read: string[] = []
    let after: string | null = null
    do {
      const { applicant: page }: { applicant: Awaited<ReturnType<typeof pageOf>> } = { applicant: await pageOf(after) }
      read.push(...(page?.predictions.nodes.map(({ id }) => id) ?? []))
      after = page?.predictions.pageInfo.hasNextPage ? page.predictions.pageInfo.endCursor : null
    } while (after)
    expect(read).toEqual(wanted.reverse())
  })

  const pageOf = async (after: string | null) =>
    (await analyst.data(ApplicantPagesDocument, { id: 'paged', first: 7, after })).applicant
})
