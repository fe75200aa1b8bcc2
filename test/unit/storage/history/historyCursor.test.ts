import { describe, expect, it } from 'vitest'
import { decodeHistoryCursor, encodeHistoryCursor } from '../../../../src/storage/history/historyCursor.js'
import type { HistoryFilter } from '../../../../src/storage/history/historyQuery.js'
import { randomFrom } from '../../support/domain.js'

const ID = '01900000-0000-7000-8000-000000000001'
const BAD_CURSOR = expect.objectContaining({ code: 'BAD_CURSOR' })
const cursor = encodeHistoryCursor({ id: ID, probability: 0.25 }, {}, 'CREATED_AT_DESC')

describe('a history cursor', () => {
  it('decodes to its position for every probability, however many digits it has', () => {
    const random = randomFrom(3)
    const probabilities = [0, 1, 0.1, 5e-324, 1 - 2 ** -53, 0.0000012345678901234567, 1.2345678901234566e-7]
    for (let i = 0; i < 500; i++) probabilities.push(random() ** (1 + 20 * random()))
    for (const probability of probabilities) {
      const text = encodeHistoryCursor({ id: ID, probability }, {}, 'PROBABILITY_ASC')
      expect(decodeHistoryCursor(text, {}, 'PROBABILITY_ASC')).toEqual({ id: ID, probability })
    }
  })

  it('belongs to its filter, also if its fields are in another order or absent instead of null', () => {
    const filter: HistoryFilter = { bands: ['T7', 'T8'], highRisk: true, createdAt: { from: new Date(0) } }
    const text = encodeHistoryCursor({ id: ID, probability: 1 }, filter, 'CREATED_AT_ASC')
    const same: HistoryFilter = { createdAt: { from: new Date(0) }, model: undefined, highRisk: true, bands: ['T7', 'T8'] }
    expect(decodeHistoryCursor(text, same, 'CREATED_AT_ASC')).toEqual({ id: ID, probability: 1 })
  })

  it.each<[string, HistoryFilter]>([
    ['another band', { bands: ['T8'] }],
    ['another applicant', { applicantId: 'a-2' }],
    ['a bound', { probability: { from: 0 } }],
    ['false instead of absent', { highRisk: false }],
  ])('is BAD_CURSOR with %s', (_what, filter) => {
    expect(() => decodeHistoryCursor(cursor, filter, 'CREATED_AT_DESC')).toThrow(BAD_CURSOR)
  })

  it.each(['CREATED_AT_ASC', 'PROBABILITY_DESC', 'PROBABILITY_ASC'] as const)('is BAD_CURSOR in order %s', order => {
    expect(() => decodeHistoryCursor(cursor, {}, order)).toThrow(BAD_CURSOR)
  })

  const inside = Buffer.from(cursor, 'base64url').toString()
  it.each([
    ['empty', ''],
    ['a made-up text', 'canary'],
    ['cut off', Buffer.from(inside.slice(0, -6)).toString('base64url')],
    ['longer', Buffer.from(`${inside}x`).toString('base64url')],
    ['with a probability of 1e400', Buffer.from(inside.replace('0.25', '1e400')).toString('base64url')],
    ['with a probability that is not a number', Buffer.from(inside.replace('0.25', '1.2.3')).toString('base64url')],
    ['with a hostile id', Buffer.from(inside.replace(ID, "' or 1=1 --")).toString('base64url')],
    ['very long', 'A'.repeat(100_000)],
  ])('that is %s is BAD_CURSOR, and is not repeated', (_what, text) => {
    expect(() => decodeHistoryCursor(text, {}, 'CREATED_AT_DESC')).toThrow(BAD_CURSOR)
    expect(() => decodeHistoryCursor(text, {}, 'CREATED_AT_DESC')).not.toThrow(/canary/)
  })
})
