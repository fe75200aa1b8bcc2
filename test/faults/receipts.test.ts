import { describe, expect, it } from 'vitest'
import { type Delivery, Receipts } from './receipts.js'

const alert = (position: number): Delivery => ({ id: `alert-${position}`, cursor: `cursor-${position}` })

/** The receipts of a subscriber: for each connection the position it resumed from, and the positions of the alerts that came. */
function received(...connections: { after: number; positions: number[] }[]): Receipts {
  const receipts = new Receipts()
  for (const { after, positions } of connections) {
    receipts.begin(alert(after).cursor)
    for (const position of positions) receipts.take(alert(position))
  }
  return receipts
}

const RAISED = new Set([1, 2, 3, 4].map(position => alert(position).id))

describe('the receipts of a subscriber', () => {
  it('show no mistake when all alerts came in order over several connections', () => {
    const receipts = received({ after: 0, positions: [1, 2] }, { after: 2, positions: [] }, { after: 2, positions: [3, 4] })
    expect(receipts).toMatchObject({ resumes: 2, repeats: 0, repeatedElsewhere: 0, outOfOrder: 0, examples: [] })
    expect(receipts.lostOf(RAISED)).toEqual([])
    expect(receipts.surplusTo(RAISED)).toEqual([])
  })

  it('allow repeats straight after a resume', () => {
    const receipts = received({ after: 0, positions: [1, 2, 3] }, { after: 1, positions: [2, 3, 4] })
    expect(receipts).toMatchObject({ repeats: 2, repeatedElsewhere: 0, outOfOrder: 0 })
  })

  it('show lost alerts, and alerts that were never raised', () => {
    const receipts = received({ after: 0, positions: [1, 2, 4, 5] })
    expect(receipts.lostOf(RAISED)).toEqual(['alert-3'])
    expect(receipts.surplusTo(RAISED)).toEqual(['alert-5'])
  })

  it.each([
    ['a repeat without a resume', [{ after: 0, positions: [1, 2, 2] }], { repeatedElsewhere: 1 }],
    ['a repeat of an older alert without a resume', [{ after: 0, positions: [1, 2, 1] }], { repeatedElsewhere: 1 }],
    [
      'a repeat after a new alert',
      [
        { after: 0, positions: [1, 2] },
        { after: 0, positions: [1, 3, 2] },
      ],
      { repeatedElsewhere: 1 },
    ],
    [
      'a repeat from before the cursor it resumed from',
      [
        { after: 0, positions: [1, 2] },
        { after: 1, positions: [1, 2, 3] },
      ],
      { repeatedElsewhere: 1 },
    ],
    [
      'repeats in another order',
      [
        { after: 0, positions: [1, 2] },
        { after: 0, positions: [2, 1] },
      ],
      { repeatedElsewhere: 1 },
    ],
    ['an alert that comes after a later one', [{ after: 0, positions: [2, 1] }], { outOfOrder: 1 }],
    [
      'an alert that comes only with a resume, after a later one came before',
      [
        { after: 0, positions: [1, 3] },
        { after: 1, positions: [2, 3] },
      ],
      { outOfOrder: 1 },
    ],
    ['an alert that is not beyond the cursor that the client sent', [{ after: 3, positions: [3] }], { outOfOrder: 1 }],
  ])('show %s', (_what, connections, expected) => {
    const receipts = received(...connections)
    expect(receipts).toMatchObject(expected)
    expect(receipts.examples).toHaveLength(1)
  })

  it('show an alert that came twice under two cursors', () => {
    const receipts = new Receipts()
    receipts.begin('cursor-0')
    receipts.take(alert(1))
    receipts.take({ ...alert(1), cursor: 'cursor-2' })
    expect(receipts).toMatchObject({ repeatedElsewhere: 1, repeats: 0 })
  })
})
