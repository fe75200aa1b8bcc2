import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WriteTrial } from '../../../../src/storage/postgres/writeTrial.js'

const FULL = 'Postgres refuses writes: disk full (53100)'
const failure = (code: string) => Object.assign(new Error(code), { code })

describe('the trial of a write', () => {
  let outcome: Error | undefined
  let trials: number
  let refused: string[]
  let trial: WriteTrial

  beforeEach(() => {
    vi.useFakeTimers()
    ;[outcome, trials, refused] = [undefined, 0, []]
    const run = async () => {
      trials++
      if (outcome) throw outcome
      return undefined as never
    }
    trial = new WriteTrial({ run, refused: reason => refused.push(reason) })
  })
  afterEach(() => void vi.useRealTimers())

  it('is made once in two seconds, however often readiness is asked for', async () => {
    for (let ms = 0; ms < 10_000; ms += 100) {
      expect(await trial.problem()).toBeUndefined()
      vi.advanceTimersByTime(100)
    }
    expect(trials).toBe(5)
  })

  it('says why writes are refused, and is reported once', async () => {
    outcome = failure('53100')
    for (let asked = 0; asked < 5; asked++) {
      expect(await trial.problem()).toBe(FULL)
      vi.advanceTimersByTime(2_000)
    }
    expect(refused).toEqual([FULL])
  })

  it.each([
    ['53100', 'disk full'],
    ['58P01', 'its files are missing, or its disk fails'],
    ['58030', 'its files are missing, or its disk fails'],
    ['25006', 'it is read-only, like a standby'],
  ])('counts a write of a caller that failed with %s', async (code, reason) => {
    trial.failed(failure(code))
    expect(await trial.problem()).toBe(`Postgres refuses writes: ${reason} (${code})`)
  })

  it.each(['23505', '22001', '40P01', '57014', '53300', 'CONNECTION_CLOSED'])(
    'does not count a write of a caller that failed with %s',
    async code => {
      trial.failed(failure(code))
      expect(await trial.problem()).toBeUndefined()
    },
  )

  it('does not flap on a disk that takes one write and refuses the next: ready after ten seconds without a refusal', async () => {
    const answers: boolean[] = []
    for (let second = 0; second < 40; second++) {
      if (second < 20 && second % 4 === 0) trial.failed(failure('53100'))
      answers.push((await trial.problem()) === undefined)
      vi.advanceTimersByTime(1_000)
    }
    expect(answers).toEqual(Array.from({ length: 40 }, (_, second) => second >= 26))
    expect(refused).toEqual([FULL])
  })

  it.each(['42501', '42883', '53400'])('passes on a server that does not allow it, with %s', async code => {
    outcome = failure(code)
    expect(await trial.problem()).toBeUndefined()
  })

  it('rejects when Postgres does not answer', async () => {
    outcome = failure('CONNECTION_CLOSED')
    await expect(trial.problem()).rejects.toBe(outcome)
  })
})
