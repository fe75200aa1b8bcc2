import { describe, expect, it } from 'vitest'
import { AppError } from '../../../src/errors.js'
import type { FeatureValues } from '../../../src/scoring/features.js'
import { Release, type Scorer } from '../../../src/scoring/release.js'
import { contract, manifest } from '../support/domain.js'

function releaseOf(score: Scorer['score']) {
  return new Release(contract, manifest, { score })
}

const rows: FeatureValues[] = [0.01, 0.34, 0.35, 1].map(amount => ({ amount }))
const amountOf = ({ amount }: FeatureValues) => Number(amount)

describe('a release', () => {
  it('scores calls that arrive together in one run, each with its own band', async () => {
    const runs: number[] = []
    const release = releaseOf(async group => {
      runs.push(group.length)
      return group.map(amountOf)
    })
    const scores = Promise.all(rows.map(row => release.score(row)))
    expect(release.queued).toBe(4)
    expect(await scores).toEqual([
      { probability: 0.01, band: 'T1', highRisk: false },
      { probability: 0.34, band: 'T6', highRisk: false },
      { probability: 0.35, band: 'T7', highRisk: true },
      { probability: 1, band: 'T8', highRisk: true },
    ])
    expect(runs).toEqual([4])
  })

  it('whose scorer throws for one row still scores the other rows of the group', async () => {
    const release = releaseOf(async group => {
      if (group.some(row => amountOf(row) === 0.35)) throw new AppError('MODEL_OUTPUT_INVALID', 'no')
      return group.map(amountOf)
    })
    const settled = await Promise.allSettled(rows.map(row => release.score(row)))
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
    expect(settled[2]).toMatchObject({ reason: { code: 'MODEL_OUTPUT_INVALID' } })
    expect(settled[3]).toMatchObject({ value: { probability: 1, band: 'T8' } })
  })

  it('whose scorer answers one row with an Error fails only that row', async () => {
    const release = releaseOf(async group =>
      group.map(row => (amountOf(row) === 0.34 ? new AppError('MODEL_OUTPUT_INVALID', 'no') : amountOf(row))),
    )
    const settled = await Promise.allSettled(rows.map(row => release.score(row)))
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled'])
  })

  it('whose scorer leaves a row unanswered fails that row', async () => {
    await expect(releaseOf(async () => []).score({ amount: 1 })).rejects.toThrow('unanswered')
  })

  it('goes on after a run that failed', async () => {
    let isBroken = true
    const release = releaseOf(async group => {
      if (isBroken) throw new Error('broken')
      return group.map(amountOf)
    })
    await expect(release.score({ amount: 0.5 })).rejects.toThrow('broken')
    isBroken = false
    expect(await release.score({ amount: 0.01 })).toMatchObject({ band: 'T1' })
  })

  it('splits more calls than one run holds over several runs', async () => {
    const runs: number[] = []
    const release = releaseOf(async group => {
      runs.push(group.length)
      return group.map(amountOf)
    })
    const scores = await Promise.all(Array.from({ length: 600 }, (_, i) => release.score({ amount: i / 600 })))
    expect(scores.map(({ probability }) => probability)).toEqual(Array.from({ length: 600 }, (_, i) => i / 600))
    expect(runs.reduce((sum, length) => sum + length)).toBe(600)
    expect(Math.max(...runs)).toBeLessThanOrEqual(256)
  })

  it('scores the rows in hand before it frees its model, takes no others, and may be retired twice', async () => {
    const events: string[] = []
    const release = new Release(contract, manifest, {
      score: async group => {
        events.push(`run of ${group.length}`)
        return group.map(amountOf)
      },
      release: async () => void events.push('freed'),
    })
    const scores = Promise.all(Array.from({ length: 300 }, () => release.score({ amount: 0.5 })))
    const retired = Promise.all([release.retire(), release.retire()])
    await expect(release.score({ amount: 0.5 })).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await scores).toHaveLength(300)
    await retired
    expect(events).toEqual(['run of 256', 'run of 44', 'freed'])
  })

  it('that has no rows in hand is freed at once, also after a run that failed', async () => {
    const events: string[] = []
    const release = new Release(contract, manifest, {
      score: () => Promise.reject(new Error('broken')),
      release: async () => void events.push('freed'),
    })
    await expect(release.score({ amount: 1 })).rejects.toThrow('broken')
    await release.retire()
    expect(events).toEqual(['freed'])
  })
})
