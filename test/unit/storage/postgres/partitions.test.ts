import { UUID, uuidv7obj } from 'uuidv7'
import { describe, expect, it } from 'vitest'
import { firstIdOf } from '../../../../src/storage/postgres/partitions.js'

const NEW_YEAR = new Date('2027-01-01T00:00:00.000Z')

describe('firstIdOf', () => {
  it('returns an id of 36 characters that begins with the millisecond', () => {
    expect(firstIdOf(new Date(0x0190_0123_4567))).toBe('01900123-4567-0000-0000-000000000000')
    expect(firstIdOf(new Date(0))).toBe('00000000-0000-0000-0000-000000000000')
    expect(firstIdOf(new Date(8.64e15))).toHaveLength(36)
  })

  it('returns an id that sorts after every id of the millisecond before, and not after any of its own', () => {
    const before = UUID.fromFieldsV7(NEW_YEAR.getTime() - 1, 0xfff, 0x3fffffff, 0xffffffff)
    const first = UUID.fromFieldsV7(NEW_YEAR.getTime(), 0, 0, 0)
    expect(before.toString() < firstIdOf(NEW_YEAR)).toBe(true)
    expect(firstIdOf(NEW_YEAR) < first.toString()).toBe(true)
  })

  it('returns an id that sorts before an id made at the same time', () => {
    const from = firstIdOf(new Date())
    expect(from < uuidv7obj().toString()).toBe(true)
  })
})
