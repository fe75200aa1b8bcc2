import { expect, it } from 'vitest'
import { PendingSockets } from '../../../../src/server/limits/pendingSockets.js'

it('cuts the oldest socket of an address that has too many, and none of another address', () => {
  const pending = new PendingSockets()
  const cut: string[] = []
  pending.add('other', () => cut.push('other'))
  for (let i = 0; i < 1_003; i++) pending.add('flood', () => cut.push(`flood-${i}`))
  expect(cut).toEqual(['flood-0', 'flood-1', 'flood-2'])
  expect(pending.size).toBe(1_001)
})

it('cuts the oldest socket of all when many addresses have too many together', () => {
  const pending = new PendingSockets()
  const cut: number[] = []
  for (let i = 0; i < 4_002; i++) pending.add(`address-${i}`, () => cut.push(i))
  expect(cut).toEqual([0, 1])
  expect(pending.size).toBe(4_000)
})

it('no longer counts a socket that has signed in or is gone', () => {
  const pending = new PendingSockets()
  const cut: number[] = []
  const settled = Array.from({ length: 500 }, (_, i) => pending.add('a', () => cut.push(i)))
  for (const settle of [...settled, ...settled]) settle()
  expect(pending.size).toBe(0)
  for (let i = 0; i < 1_000; i++) pending.add('a', () => cut.push(i))
  expect(cut).toEqual([])
})
