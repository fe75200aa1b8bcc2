import { createHash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { application } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import {
  AlertCursorDocument,
  ApplicantPagesDocument,
  HistoryDocument,
  type HistoryQueryVariables,
} from '../support/generated/operations.js'
import { scoreBatch } from '../support/stored.js'

describe('history', () => {
  let gateway: TestGateway
  let client: GraphqlClient
  beforeAll(async () => {
    gateway = await startGateway()
    client = await gateway.as({ roles: ['ADMIN'] })
    await scoreBatch(
      client,
      Array.from({ length: 5 }, (_, i) => application(`row-${i}`)),
    )
  })
  afterAll(() => gateway[Symbol.asyncDispose]())

  const cursorOf = async (variables: HistoryQueryVariables) => {
    const { predictions } = await client.data(HistoryDocument, { first: 2, ...variables })
    return predictions.pageInfo.endCursor ?? ''
  }

  async function expectRefused(variables: HistoryQueryVariables, code: string) {
    // Sent three times, because the executor changes after the first use of a document.
    for (let use = 1; use <= 3; use++) {
      const { status, data, errors } = await client.request(HistoryDocument, variables)
      expect({ status, data, code: errors?.map(({ extensions }) => extensions.code) }).toEqual({
        status: 400,
        data: null,
        code: [code],
      })
    }
  }

  it.each<[string, HistoryQueryVariables]>([
    ['another order', { orderBy: 'CREATED_AT_ASC' }],
    ['an order by probability', { orderBy: 'PROBABILITY_DESC' }],
    ['a filter by applicant', { filter: { applicantId: 'row-1' } }],
    ['a filter by band', { filter: { bands: ['T2'] } }],
    ['a filter by risk', { filter: { highRisk: false } }],
    ['a filter by model', { filter: { model: 'consumer-credit' } }],
    ['a filter by version', { filter: { modelVersion: '2' } }],
    ['a filter by probability', { filter: { probability: { from: 0 } } }],
    ['a filter by time', { filter: { createdAt: { from: '2020-01-01T00:00:00Z' } } }],
    ['a filter by channel', { filter: { channel: 'web' } }],
    ['a filter by outcome', { filter: { hasOutcome: false } }],
  ])('refuses a cursor without a filter in a list with %s, and the reverse', async (_name, variables) => {
    const plain = await cursorOf({})
    await expectRefused({ ...variables, after: plain }, 'BAD_CURSOR')
    await expectRefused({ ...variables, before: plain }, 'BAD_CURSOR')
    const other = await cursorOf(variables)
    if (other) await expectRefused({ after: other }, 'BAD_CURSOR')
  })

  it('accepts a cursor of the same filter in another spelling', async () => {
    const after = await cursorOf({ filter: { probability: { to: 1, from: 0 }, highRisk: null } })
    const filter = { channel: null, probability: { from: 0, to: 1.0 } }
    const { predictions } = await client.data(HistoryDocument, { first: 10, after, filter })
    expect(predictions.nodes).toHaveLength(3)
  })

  it('refuses a cursor without a position, even with a matching digest', async () => {
    const position = ['CREATED_AT_DESC', [], '', null]
    const digest = createHash('sha256').update(JSON.stringify(position)).digest('hex').slice(0, 8)
    await expectRefused({ after: Buffer.from(`${digest}..NaN`).toString('base64url') }, 'BAD_CURSOR')
  })

  it('refuses all made-up cursors', async () => {
    const real = await cursorOf({})
    const text = Buffer.from(real, 'base64url').toString('latin1')
    const [digest, id, probability] = text.split('.', 2).concat(text.split('.').slice(2).join('.'))
    const forged = (...parts: (string | undefined)[]) => Buffer.from(parts.join('.')).toString('base64url')
    const garbage = [
      '',
      ' ',
      'null',
      '0',
      'x'.repeat(100_000),
      '\u0001\u00ff\ud83d\ude00',
      Buffer.from([0, 255, 128, 10]).toString('base64'),
      Buffer.from('{"id":1}').toString('base64'),
      Buffer.from('arrayconnection:5').toString('base64'),
      '../../etc/passwd',
      "' or 1=1 --",
      real.slice(0, -8),
      real.slice(4),
      forged('00000000', id, probability),
      forged(digest, '00000000-0000-4000-8000-000000000000', probability),
      forged(digest, `${id}'`, probability),
      forged(digest, id, 'NaN'),
      forged(digest, id, 'Infinity'),
      forged(digest, id, '9e999'),
      forged(digest, id, '1.2.3'),
      forged(digest, id, '-'),
      forged(digest, id, '1);--'),
      await client.data(AlertCursorDocument, {}).then(({ alertCursor }) => alertCursor),
    ]
    for (const cursor of garbage) {
      await expectRefused({ after: cursor }, 'BAD_CURSOR')
      await expectRefused({ last: 5, before: cursor }, 'BAD_CURSOR')
    }
  })

  it.each([{ first: 0 }, { first: 101 }, { first: -1 }, { last: 0 }, { last: 101 }, { last: -5 }, { first: 1, last: 1 }])(
    'refuses the page %j',
    async size => {
      await expectRefused(size, 'BAD_USER_INPUT')
      const { errors } = await client.request(HistoryDocument, size)
      expect(errors).toMatchObject([{ extensions: { problems: [{ path: [Object.keys(size)[0]] }] } }])
    },
  )

  it.each([1, 100])('accepts a page of %i', async first => {
    const { predictions } = await client.data(HistoryDocument, { first })
    expect(predictions.nodes).toHaveLength(Math.min(first, 5))
  })

  it('refuses the same pages and cursors below an applicant', async () => {
    for (const page of [{ first: 0 }, { first: 101 }, { after: 'x' }, { after: await cursorOf({}) }]) {
      const { status, errors } = await client.request(ApplicantPagesDocument, { id: 'row-1', ...page })
      const code = 'after' in page ? 'BAD_CURSOR' : 'BAD_USER_INPUT'
      expect({ status, errors }).toMatchObject({
        status: 400,
        errors: [{ path: ['applicant', 'predictions'], extensions: { code } }],
      })
    }
  })
})
