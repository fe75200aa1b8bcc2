import { describe, expect, it } from 'vitest'
import { decodeAlertCursor, encodeAlertCursor, type FeedPosition } from '../../../../src/storage/alerts/alertCursor.js'
import { randomFrom } from '../../../support/random.js'

const EPOCHS = [
  { ordinal: 1, tag: 'ffff0000' },
  { ordinal: 2, tag: '00000001' },
  { ordinal: 17, tag: 'deadbeef' },
]
const BAD_CURSOR = expect.objectContaining({ code: 'BAD_CURSOR' })

function compare(a: FeedPosition, b: FeedPosition): number {
  const [x, y] = [a, b].map(({ epoch, xid, seq }) => (BigInt(epoch) << 128n) + (BigInt(xid) << 64n) + BigInt(seq))
  return x === undefined || y === undefined || x === y ? 0 : x < y ? -1 : 1
}

function randomPositions(count: number): FeedPosition[] {
  const random = randomFrom(11)
  const big = (bits: number) => String(BigInt(Math.floor(random() * 2 ** 52)) >> BigInt(52 - Math.ceil(random() * bits)))
  return Array.from({ length: count }, () => ({
    epoch: EPOCHS[Math.floor(random() * EPOCHS.length)]?.ordinal ?? 1,
    xid: big(52),
    seq: big(48),
  }))
}

describe('an alert cursor', () => {
  it('sorts as a text in the order of positions, over all epochs', () => {
    const extremes: FeedPosition[] = [
      { epoch: 1, xid: '9', seq: '10' },
      { epoch: 1, xid: '10', seq: '9' },
      { epoch: 2, xid: '18446744073709551615', seq: '281474976710655' },
      { epoch: 17, xid: '0', seq: '0' },
    ]
    const positions = [...extremes, ...randomPositions(200)]
    const byText = [...positions].sort((a, b) => (encodeAlertCursor(a, EPOCHS) < encodeAlertCursor(b, EPOCHS) ? -1 : 1))
    expect(byText).toEqual([...positions].sort(compare))
  })

  it('decodes to its position', () => {
    for (const position of randomPositions(100)) {
      expect(decodeAlertCursor(encodeAlertCursor(position, EPOCHS), EPOCHS)).toEqual(position)
    }
  })

  const good = encodeAlertCursor({ epoch: 2, xid: '500', seq: '7' }, EPOCHS)
  it.each([
    ['empty', ''],
    ['a text', 'canary'],
    ['too short', good.slice(1)],
    ['too long', `${good}0`],
    ['in upper case', good.toUpperCase().replace(/^0002/, '000F')],
    ['of an unknown epoch', good.replace(/^0002/, '0003')],
    ['of the same epoch of another database', good.replace('00000001', '00000002')],
    ['with a line break at its end', `${good}\n`],
    ['with a sign', good.replace(/^0002/, '-002')],
    ['very long', '0'.repeat(1_000_000)],
  ])('that is %s is BAD_CURSOR, and is not repeated', (_what, text) => {
    expect(() => decodeAlertCursor(text, EPOCHS)).toThrow(BAD_CURSOR)
    expect(() => decodeAlertCursor(text, EPOCHS)).not.toThrow(/canary/)
  })

  it('cannot be made for an unknown epoch', () => {
    expect(() => encodeAlertCursor({ epoch: 3, xid: '1', seq: '1' }, EPOCHS)).toThrow('no epoch 3')
  })
})
