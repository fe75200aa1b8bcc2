import { describe, expect, it } from 'vitest'
import { percentile, SwapStage } from '../support/swaps.js'

describe('a version that replaces another under load', () => {
  it('fails no call, and each answer is of the version that it names', async () => {
    await using stage = await SwapStage.open(16)
    let swaps: number[] = []
    const { failed, wrong, mixed, versions, singles } = await stage.under(async () => {
      swaps = await stage.swap(10, 50)
    })
    expect({ failed, wrong, mixed }).toEqual({ failed: [], wrong: 0, mixed: 0 })
    expect(Object.keys(versions)).toEqual(['1', '2'])
    const slowest = percentile(swaps, 1).toFixed(0)
    process.stdout.write(`10 swaps under 16 connections: 0 of ${singles} calls failed, the slowest swap took ${slowest} ms\n`)
  })

  it('has its metrics from zero as soon as it serves', async () => {
    await using stage = await SwapStage.open(1)
    const predictions = (version: string) => stage.metric('riskgate_predictions_total', { version })
    expect(await predictions('1')).toBeUndefined()
    await stage.promote('1')
    expect(await predictions('1')).toBe(0)
    expect(await stage.metric('riskgate_model_serving', { model: 'consumer-credit' })).toBe(1)
  })

  it('may be a challenger: each applicant stays with one version', async () => {
    await using stage = await SwapStage.open(8)
    await stage.challenge('1', 0.3)
    const { failed, wrong, moved, versions } = await stage.send(1_000)
    expect({ failed, wrong, moved }).toEqual({ failed: [], wrong: 0, moved: 0 })
    expect(versions['1']).toBeGreaterThan(0)
    expect(versions['2']).toBeGreaterThan(versions['1'] as number)
  })
})
