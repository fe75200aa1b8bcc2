import { afterEach, describe, expect, it } from 'vitest'
import { type AdmittedVersion, loadRelease } from '../../src/releases/serving/loadRelease.js'
import { type ModelEntry, ModelRegistry } from '../../src/releases/serving/modelRegistry.js'
import type { ShadowLog, ShadowScore } from '../../src/releases/shadow/shadowLog.js'
import { type ShadowResult, ShadowScoring } from '../../src/releases/shadow/shadowScoring.js'
import { PredictRisk } from '../../src/scoring/predictRisk.js'
import { Release } from '../../src/scoring/release.js'
import { spellingsOf } from '../../src/scoring/spellings.js'
import { packedFeatures } from '../../src/scoring/worker/packedRows.js'
import { WorkerScorer } from '../../src/scoring/worker/workerScorer.js'
import { bundledVersion } from '../support/admittedVersions.js'
import { createTestDatabase } from '../support/database.js'
import { until } from '../support/process.js'
import { openStores } from '../support/stores.js'
import { principalOf } from '../unit/support/gatewaySchema.js'

const ROWS = 200
const WATCH = { observeScoring: () => {}, warn: () => {}, workerEnded: () => {} }

const ends: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** predictRisk with version 2 as champion over a real store, beside shadows. */
async function stageOf(log: ShadowLog, shadowsOf: (version: AdmittedVersion) => Promise<NonNullable<ModelEntry['shadows']>>) {
  const database = await createTestDatabase()
  ends.push(async () => database[Symbol.asyncDispose]())
  const version = await bundledVersion('2')
  const champion = await loadRelease(version, WATCH)
  const shadows = await shadowsOf(await bundledVersion('1'))
  ends.push(() => champion.retire())
  for (const { release } of shadows) ends.push(() => release.retire())
  const models = new ModelRegistry([{ contract: version.contract, champion, shadows, versions: [] }])
  const counts: Record<ShadowResult, number> = { stored: 0, dropped: 0, failed: 0 }
  const counted = (result: ShadowResult, rows: number) => {
    counts[result] += rows
  }
  const scoring = new ShadowScoring(models, log, { counted, warn: () => {} })
  ends.push(() => scoring.close())
  const stores = await openStores(database.url, async stored => scoring.offer(stored))
  ends.push(async () => stores[Symbol.asyncDispose]())
  const predictRisk = new PredictRisk(models, stores.predictions)
  const rows = version.rows.slice(0, ROWS)
  return {
    counts,
    rows,
    /** Scores all rows, and checks their answers. */
    async answer() {
      const results = await Promise.all(
        rows.map((features, i) =>
          predictRisk.run({ applicantId: `applicant-${i}`, model: 'consumer-credit', features }, principalOf('SCORER')),
        ),
      )
      expect(results.map(({ prediction }) => prediction.probability)).toEqual(version.report.answers.slice(0, ROWS))
      return results.map(({ prediction }) => prediction)
    },
  }
}

const inWorker = async (version: AdmittedVersion) => [
  { release: await loadRelease(version, { ...WATCH, alwaysInWorker: true }), share: 1, beside: undefined },
]

describe('shadows beside predictRisk', () => {
  it('score what is stored, apart from it', async () => {
    const kept: ShadowScore[] = []
    const stage = await stageOf({ record: async scores => void kept.push(...scores) }, inWorker)
    const answered = await stage.answer()
    await until(() => kept.length === ROWS)
    const first = await loadRelease(await bundledVersion('1'), WATCH)
    const scores = await Promise.all(stage.rows.map(row => first.score(row)))
    await first.retire()
    const shadowOf = new Map(kept.map(score => [score.predictionId, score]))
    for (const [i, { id, createdAt }] of answered.entries()) {
      const { probability, band } = scores[i] as (typeof scores)[number]
      expect(shadowOf.get(id)).toMatchObject({ version: '1', tenant: 'default', probability, band, createdAt })
    }
    expect(stage.counts).toEqual({ stored: ROWS, dropped: 0, failed: 0 })
  })

  it('change no answer while their log hangs', async () => {
    let finish = () => {}
    const hanging = new Promise<void>(resolve => {
      finish = resolve
    })
    const stage = await stageOf({ record: () => hanging }, inWorker)
    for (let round = 0; round < 10; round++) await stage.answer()
    expect(stage.counts.stored).toBe(0)
    expect(stage.counts.dropped).toBeGreaterThan(0)
    finish()
  })

  it('change no answer while their log fails', async () => {
    const stage = await stageOf({ record: () => Promise.reject(new Error('no table')) }, inWorker)
    await stage.answer()
    await until(() => stage.counts.failed === ROWS)
    await stage.answer()
  })

  it('change no answer while their worker is killed, and go on in the next one', async () => {
    const kept: ShadowScore[] = []
    let killed = 0
    const stage = await stageOf({ record: async scores => void kept.push(...scores) }, async version => {
      const { contract, manifest, graph: bytes } = version
      const graph = {
        bytes,
        onnx: manifest.onnx,
        spellings: spellingsOf(contract),
        features: packedFeatures(contract),
        rowByRow: false,
      }
      // Each thread is killed in its first run but the last, which gets a usual limit.
      const impatient = await WorkerScorer.load(graph, { ended: () => killed++, longestRunMs: 0 })
      const patient = await WorkerScorer.load(graph, { ended: () => killed++ })
      const score = (rows: Parameters<WorkerScorer['score']>[0]) => (killed === 0 ? impatient : patient).score(rows)
      const release = async () => void (await Promise.all([impatient.release(), patient.release()]))
      return [{ release: new Release(contract, manifest, { score, release }), share: 1, beside: undefined }]
    })
    await until(async () => {
      await stage.answer()
      return killed > 0
    })
    const before = kept.length
    await stage.answer()
    await until(() => kept.length > before)
    expect(stage.counts.failed).toBeGreaterThan(0)
  })
})
