import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import logisticManifest from '../../models/consumer-credit/1/manifest.json' with { type: 'json' }
import championManifest from '../../models/consumer-credit/2/manifest.json' with { type: 'json' }
import type { ModelManifest } from '../../src/scoring/manifest.js'
import { application, goldenRows, inParts } from '../support/applicants.js'
import { startGateway } from '../support/gateway.js'
import { ModelsDocument, PredictRiskInFullDocument, type RiskBand } from '../support/generated/operations.js'
import { scoreBatch } from '../support/stored.js'

const MODELS = new URL('../../models', import.meta.url).pathname
const CUTOFFS: Record<string, ModelManifest['bands']> = {
  '1': logisticManifest.bands as ModelManifest['bands'],
  '2': championManifest.bands as ModelManifest['bands'],
}
// The most by which float32 inputs and sums may differ from the doubles of the model's own library.
const TOLERANCE = 1e-5

let models: string
beforeAll(async () => {
  models = await mkdtemp(join(tmpdir(), 'riskgate-models-'))
  await cp(MODELS, models, { recursive: true })
})
afterAll(() => rm(models, { recursive: true, force: true }))

describe.each(['1', '2'])('the golden rows of version %s through the public API', version => {
  it("have the probability that the model's own library gave, and the band of the cut-offs", async () => {
    await writeFile(join(models, 'consumer-credit', 'champion'), `${version}\n`)
    await using gateway = await startGateway({ RISKGATE_MODELS_DIR: models })
    const admin = await gateway.as({ roles: ['ADMIN'] })
    const { predictRisk } = await admin.data(PredictRiskInFullDocument, { input: application('which') })
    expect(predictRisk.prediction.modelVersion).toMatchObject({ version, stage: 'CHAMPION' })

    const rows = goldenRows(version)
    expect(rows.length).toBeGreaterThanOrEqual(200)
    const { cutoffs, highRiskFrom } = CUTOFFS[version] as ModelManifest['bands']
    let worst = 0
    for (const part of inParts(rows)) {
      const scored = await scoreBatch(
        admin,
        part.map(({ features }, i) => application(`golden-${i}`, features)),
      )
      expect(scored.map(({ applicantId }) => applicantId)).toEqual(part.map((_, i) => `golden-${i}`))
      for (const [i, { probability, band, highRisk }] of scored.entries()) {
        worst = Math.max(worst, Math.abs(probability - (part[i]?.probability ?? Number.NaN)))
        const expected = 1 + cutoffs.filter(cutoff => probability >= cutoff).length
        expect(band).toBe(`T${expected}`)
        expect(highRisk).toBe(expected >= Number(highRiskFrom.slice(1)))
      }
    }
    expect(worst).toBeLessThanOrEqual(TOLERANCE)
  })

  it('are stored exactly as they were answered', async () => {
    await writeFile(join(models, 'consumer-credit', 'champion'), `${version}\n`)
    await using gateway = await startGateway({ RISKGATE_MODELS_DIR: models })
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const scored = await scoreBatch(
      scorer,
      goldenRows(version)
        .slice(0, 100)
        .map(({ features }, i) => application(`golden-${i}`, features)),
    )
    const rows = await gateway.database.sql`
      select id, probability, 'T' || band as band, model_version as version from predictions order by id`
    const answered = scored.map(({ id, probability, band }) => ({ id, probability, band: band as RiskBand, version }))
    expect([...rows]).toEqual(answered.sort((a, b) => (a.id < b.id ? -1 : 1)))
  })
})

it('a version that is not the champion is listed as a candidate and does not answer', async () => {
  await writeFile(join(models, 'consumer-credit', 'champion'), '1\n')
  await using gateway = await startGateway({ RISKGATE_MODELS_DIR: models })
  const { models: listed } = await (await gateway.as({ roles: ['SCORER'] })).data(ModelsDocument, {})
  expect(listed[0]?.champion).toEqual({ version: '1' })
  expect(listed[0]?.versions.map(({ version, stage }) => [version, stage])).toEqual([
    ['1', 'CHAMPION'],
    ['2', 'CANDIDATE'],
  ])
})
