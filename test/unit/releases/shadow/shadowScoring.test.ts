import { describe, expect, it } from 'vitest'
import type { ModelEntry } from '../../../../src/releases/serving/modelRegistry.js'
import type { ShadowLog, ShadowScore } from '../../../../src/releases/shadow/shadowLog.js'
import { type ShadowResult, ShadowScoring } from '../../../../src/releases/shadow/shadowScoring.js'
import type { NewPrediction } from '../../../../src/scoring/prediction.js'
import { newPrediction } from '../../../support/stores.js'
import { contract } from '../../support/domain.js'
import { releaseOf } from '../../support/releases.js'

const MODEL = contract.name

class Shadows {
  readonly stored: ShadowScore[] = []
  readonly groups: number[] = []
  readonly counts: Record<ShadowResult, number> = { stored: 0, dropped: 0, failed: 0 }
  readonly warnings: string[] = []
  readonly scoring: ShadowScoring

  constructor(shadows: NonNullable<ModelEntry['shadows']>, record?: ShadowLog['record'], random = () => 0.5) {
    const entry: ModelEntry = { contract, champion: undefined, shadows, versions: [] }
    const keep: ShadowLog['record'] = async scores => {
      this.groups.push(scores.length)
      this.stored.push(...scores)
    }
    this.scoring = new ShadowScoring(
      { model: name => (name === MODEL ? entry : undefined) },
      { record: record ?? keep },
      {
        counted: (result, rows) => {
          this.counts[result] += rows
        },
        warn: message => this.warnings.push(message),
        random,
      },
    )
  }

  /** Until every row has its result. */
  async settled(rows: number): Promise<void> {
    while (Object.values(this.counts).reduce((sum, count) => sum + count) < rows) await new Promise(setImmediate)
  }
}

const rowsOf = (count: number, modelVersion = '1', model = MODEL): NewPrediction[] =>
  Array.from({ length: count }, () => newPrediction({ model, modelVersion }))

describe('shadow scoring', () => {
  it('stores what a shadow gives for stored predictions, with its own bands', async () => {
    const shadows = new Shadows([{ release: releaseOf('12'), share: 1, beside: undefined }])
    const rows = rowsOf(3)
    shadows.scoring.offer(rows)
    // Callers are answered in this turn of the event loop.
    for (let i = 0; i < 10; i++) await Promise.resolve()
    expect(shadows.scoring.queued).toBe(3)
    await shadows.settled(3)
    const [first] = rows as [NewPrediction]
    const { id: predictionId, tenant, createdAt } = first.prediction
    expect(shadows.stored[0]).toEqual({
      predictionId,
      tenant,
      model: MODEL,
      version: '12',
      probability: 0.12,
      band: 'T4',
      createdAt,
    })
    expect(shadows.groups).toEqual([3])
    expect(shadows.counts).toEqual({ stored: 3, dropped: 0, failed: 0 })
  })

  it('leaves out other models, and predictions that the shadow itself has made', async () => {
    const shadows = new Shadows([{ release: releaseOf('12'), share: 1, beside: undefined }])
    shadows.scoring.offer([...rowsOf(2, '12'), ...rowsOf(2, '1', 'mortgage'), ...rowsOf(1)])
    await shadows.settled(1)
    expect(shadows.counts.stored).toBe(1)
  })

  it('lets champion and challenger score the applications of each other, in groups', async () => {
    const shadows = new Shadows([
      { release: releaseOf('1'), share: 1, beside: '2' },
      { release: releaseOf('2'), share: 1, beside: '1' },
    ])
    const rows = Array.from({ length: 50 }, () => [...rowsOf(1, '1'), ...rowsOf(1, '2')]).flat()
    shadows.scoring.offer([...rows, ...rowsOf(5, '3')])
    await shadows.settled(100)
    const versionOf = new Map(shadows.stored.map(({ predictionId, version }) => [predictionId, version]))
    expect(rows.every(({ prediction: { id, modelVersion } }) => versionOf.get(id) === (modelVersion === '1' ? '2' : '1'))).toBe(
      true,
    )
    expect(shadows.groups).toEqual([50, 50])
    expect(shadows.scoring.queued).toBe(0)
  })

  it('takes its share of the predictions', async () => {
    let i = 0
    const shadows = new Shadows([{ release: releaseOf('12'), share: 0.25, beside: undefined }], undefined, () => (i++ % 4) / 4)
    shadows.scoring.offer(rowsOf(100))
    await shadows.settled(25)
    expect(shadows.counts).toEqual({ stored: 25, dropped: 0, failed: 0 })
  })

  it('takes fewer and fewer rows from half a queue on, and none into a full one', () => {
    const shadows = new Shadows([{ release: releaseOf('12'), share: 1, beside: undefined }], undefined, Math.random)
    shadows.scoring.offer(rowsOf(500))
    expect(shadows.counts.dropped).toBe(0)
    shadows.scoring.offer(rowsOf(250))
    const early = shadows.counts.dropped
    expect(early).toBeGreaterThan(20)
    shadows.scoring.offer(rowsOf(10_000))
    expect(shadows.scoring.queued).toBeLessThanOrEqual(1_000)
    expect(shadows.scoring.queued).toBeGreaterThan(900)
    expect(shadows.counts.dropped).toBe(10_750 - shadows.scoring.queued)
  })

  it('counts rows whose scores fail or cannot be stored, says so once, and goes on', async () => {
    let isBroken = true
    const stored: ShadowScore[] = []
    const shadows = new Shadows([{ release: releaseOf('12'), share: 1, beside: undefined }], async scores => {
      if (isBroken) throw new Error('no table')
      stored.push(...scores)
    })
    for (const expected of [64, 128]) {
      shadows.scoring.offer(rowsOf(64))
      await shadows.settled(expected)
    }
    expect(shadows.counts.failed).toBe(128)
    expect(shadows.warnings).toEqual(['shadow scores are lost'])
    isBroken = false
    shadows.scoring.offer(rowsOf(1))
    await shadows.settled(129)
    expect(stored).toHaveLength(1)
  })

  it('counts only the rows that the model cannot score', async () => {
    let calls = 0
    const score = async (rows: readonly unknown[]) => rows.map(() => (calls++ % 2 === 0 ? 0.5 : new Error('no probability')))
    const shadows = new Shadows([{ release: releaseOf('12', { score }), share: 1, beside: undefined }])
    shadows.scoring.offer(rowsOf(10))
    await shadows.settled(10)
    expect(shadows.counts).toEqual({ stored: 5, dropped: 0, failed: 5 })
  })

  it('drops what waits when it is closed, and what comes after', async () => {
    const shadows = new Shadows([{ release: releaseOf('12'), share: 1, beside: undefined }])
    shadows.scoring.offer(rowsOf(100))
    await shadows.scoring.close()
    shadows.scoring.offer(rowsOf(1))
    expect(shadows.counts).toEqual({ stored: 0, dropped: 101, failed: 0 })
    expect(shadows.scoring.queued).toBe(0)
  })
})
