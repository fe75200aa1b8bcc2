import { expect, it } from 'vitest'
import { AppError } from '../../../src/errors.js'
import { patiently } from '../../../src/start/patiently.js'

const SLOW = new AppError('SERVICE_UNAVAILABLE', 'slow')

function failing(times: number, error: Error) {
  let calls = 0
  const read = async () => {
    calls++
    if (calls <= times) throw error
    return 'read'
  }
  return { read, calls: () => calls }
}

it('repeats a read that the database had no time for, five times at most', async () => {
  expect(await patiently(failing(4, SLOW).read)).toBe('read')
  const hopeless = failing(9, SLOW)
  await expect(patiently(hopeless.read)).rejects.toBe(SLOW)
  expect(hopeless.calls()).toBe(5)
})

it('repeats no read that failed otherwise', async () => {
  const broken = failing(1, new Error('broken'))
  await expect(patiently(broken.read)).rejects.toThrow('broken')
  expect(broken.calls()).toBe(1)
})
