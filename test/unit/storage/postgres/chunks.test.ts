import { expect, it } from 'vitest'
import { inChunks } from '../../../../src/storage/postgres/chunks.js'

/** A statement that finds these numbers of rows, one number a call. */
function finding(...rows: number[]): () => Promise<number> {
  return async () => rows.shift() ?? Number.NaN
}

it('repeats a statement until it finds fewer rows than a chunk', async () => {
  expect(await inChunks(5, finding(5, 5, 4, 5))).toBe(14)
  expect(await inChunks(5, finding(5, 0))).toBe(5)
  expect(await inChunks(5, finding(0))).toBe(0)
})

it('stops between two statements when its signal aborts', async () => {
  const ended = new AbortController()
  const statement = finding(5, 5, 5, 0)
  let calls = 0
  const found = await inChunks(
    5,
    async () => {
      if (++calls === 2) ended.abort()
      return statement()
    },
    ended.signal,
  )
  expect([found, calls]).toEqual([10, 2])
})
