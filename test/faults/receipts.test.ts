import { describe, expect, it } from 'vitest'
import { type Delivery, Receipts } from './receipts.js'

const alert = (place: number): Delivery => ({ id: `alert-${place}`, cursor: `cursor-${place}` })

/** What a subscriber received: for each connection the place it resumed from, and what came. */
function received(...connections: { after: number; places: number[] }[]): Receipts {
  const receipts = new Receipts()
  for (const { after, places } of connections) {
    receipts.begin(alert(after).cursor)
    for (const place of places) receipts.take(alert(place))
  }
  return receipts
}

const RAISED = new Set([1, 2, 3, 4].map(place => alert(place).id))

describe('the receipts of a subscriber', () => {
  it('are right when all came in order over several connections', () => {
    const receipts = received({ after: 0, places: [1, 2] }, { after: 2, places: [] }, { after: 2, places: [3, 4] })
    expect(receipts).toMatchObject({ resumes: 2, repeats: 0, repeatedElsewhere: 0, outOfOrder: 0, examples: [] })
    expect(receipts.lostOf(RAISED)).toEqual([])
    expect(receipts.surplusTo(RAISED)).toEqual([])
  })

  it('may hold repeats straight after a resume', () => {
    const receipts = received({ after: 0, places: [1, 2, 3] }, { after: 1, places: [2, 3, 4] })
    expect(receipts).toMatchObject({ repeats: 2, repeatedElsewhere: 0, outOfOrder: 0 })
  })

  it('show what was lost, and what nobody raised', () => {
    const receipts = received({ after: 0, places: [1, 2, 4, 5] })
    expect(receipts.lostOf(RAISED)).toEqual(['alert-3'])
    expect(receipts.surplusTo(RAISED)).toEqual(['alert-5'])
  })

  it.each([
    ['a repeat without a resume', [{ after: 0, places: [1, 2, 2] }], { repeatedElsewhere: 1 }],
    ['a repeat of an older one without a resume', [{ after: 0, places: [1, 2, 1] }], { repeatedElsewhere: 1 }],
    [
      'a repeat behind something new',
      [
        { after: 0, places: [1, 2] },
        { after: 0, places: [1, 3, 2] },
      ],
      { repeatedElsewhere: 1 },
    ],
    [
      'a repeat from before where it resumed',
      [
        { after: 0, places: [1, 2] },
        { after: 1, places: [1, 2, 3] },
      ],
      { repeatedElsewhere: 1 },
    ],
    [
      'repeats in another order',
      [
        { after: 0, places: [1, 2] },
        { after: 0, places: [2, 1] },
      ],
      { repeatedElsewhere: 1 },
    ],
    ['one that comes after a later one', [{ after: 0, places: [2, 1] }], { outOfOrder: 1 }],
    [
      'one that a resume finds behind a later one',
      [
        { after: 0, places: [1, 3] },
        { after: 1, places: [2, 3] },
      ],
      { outOfOrder: 1 },
    ],
    ['one that is not beyond the cursor it was asked for', [{ after: 3, places: [3] }], { outOfOrder: 1 }],
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
