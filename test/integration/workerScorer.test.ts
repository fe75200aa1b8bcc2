import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import type { ModelContract } from '../../src/scoring/contract.js'
import type { FeatureValues } from '../../src/scoring/features.js'
import type { ModelManifest } from '../../src/scoring/manifest.js'
import { OnnxModel } from '../../src/scoring/onnx/onnxModel.js'
import { spellingsOf } from '../../src/scoring/spellings.js'
import { packedFeatures } from '../../src/scoring/worker/packedRows.js'
import { WorkerScorer } from '../../src/scoring/worker/workerScorer.js'
import { bundledVersion } from '../support/admittedVersions.js'
import { bigModel } from '../support/bigModel.js'
import { graphBytes } from '../support/onnxGraph.js'
import { until } from '../support/process.js'
import { contract, manifestOf } from '../unit/support/domain.js'

const fixture = (name: string) => new Uint8Array(readFileSync(new URL(`../fixtures/onnx/${name}`, import.meta.url)))

/** Adds up the rows of a run. */
const SUMS = graphBytes({
  nodes: [
    { operator: 'CumSum', inputs: ['features', 'axis'], output: 'sums' },
    { operator: 'Sigmoid', inputs: ['sums'], output: 'probability' },
  ],
  width: 2,
  outputWidth: 2,
  constants: { axis: 0 },
})

const open: WorkerScorer[] = []
const ends: string[] = []
afterEach(async () => {
  for (const scorer of open.splice(0)) await scorer.release()
  ends.splice(0)
})

interface Given {
  readonly rowByRow?: boolean
  readonly longestRunMs?: number
  readonly contract?: ModelContract
}

async function inWorker(bytes: Uint8Array<ArrayBuffer>, { onnx }: ModelManifest, given: Given = {}): Promise<WorkerScorer> {
  const { rowByRow = false, longestRunMs = 60_000, contract: of = contract } = given
  const graph = { bytes, onnx, spellings: spellingsOf(of), features: packedFeatures(of), rowByRow }
  const scorer = await WorkerScorer.load(graph, { ended: why => ends.push(why), longestRunMs })
  open.push(scorer)
  return scorer
}

describe('a model in a worker', () => {
  it.each(['1', '2'] as const)('gives the same bits as on the event loop: version %s of the bundled model', async version => {
    const { contract, manifest, graph, rows, report } = await bundledVersion(version)
    const scorer = await inWorker(graph, manifest, { contract })
    const answers: unknown[] = []
    for (let at = 0; at < rows.length; at += 256) answers.push(...(await scorer.score(rows.slice(at, at + 256))))
    expect(answers).toEqual(report.answers)
    const alone = await Promise.all(rows.slice(0, 20).map(row => scorer.score([row])))
    expect(alone.flat()).toEqual(report.answers.slice(0, 20))
  })

  it('gets numbers, whole numbers, Booleans, texts and missing values as they are', async () => {
    const mixed = manifestOf({ name: 'probabilities', column: 1 }, [
      { name: 'amount', type: 'float32', columns: [{ feature: 'amount' }] },
      { name: 'count', type: 'int64', columns: [{ feature: 'count', missing: 0 }] },
      { name: 'grade', type: 'string', columns: [{ feature: 'grade', missing: '' }] },
    ])
    const whole = manifestOf({ name: 'probability', column: 0 }, [
      { name: 'open', type: 'bool', columns: [{ feature: 'flag', missing: false }] },
      { name: 'count', type: 'int32', columns: [{ feature: 'count', missing: 0 }] },
    ])
    const rows: FeatureValues[] = [
      { amount: -0.5, count: 3, flag: true, grade: 'B' },
      { amount: 2, flag: false, grade: 'A' },
      { amount: 7, count: 1, flag: true },
      { amount: 1, count: 9, grade: 'A' },
    ]
    for (const [name, manifest] of [
      ['mixed.onnx', mixed],
      ['whole.onnx', whole],
    ] as const) {
      const model = await OnnxModel.load(fixture(name), manifest)
      const scorer = await inWorker(fixture(name), manifest)
      const answers = await scorer.score(rows)
      expect(answers).toEqual(await model.score(rows))
      expect(new Set(answers).size).toBeGreaterThan(2)
      await model.release()
    }
  })

  it('runs rows one by one where it must', async () => {
    const manifest = manifestOf({ name: 'probability', column: 0 })
    const rows = [1, 2, 3].map(amount => ({ amount, count: 0 }))
    const together = await inWorker(SUMS, manifest)
    const apart = await inWorker(SUMS, manifest, { rowByRow: true })
    const alone = (await Promise.all(rows.map(row => together.score([row])))).flat()
    expect(await apart.score(rows)).toEqual(alone)
    expect(await together.score(rows)).not.toEqual(alone)
  })

  it('answers MODEL_OUTPUT_INVALID for a row without a probability and for a graph that fails', async () => {
    const nan = await inWorker(fixture('nan.onnx'), manifestOf({ name: 'probabilities', column: 1 }))
    expect(await nan.score([{ amount: 1, count: 1 }])).toEqual([expect.objectContaining({ code: 'MODEL_OUTPUT_INVALID' })])
    const wrong = await inWorker(fixture('wrong-rows.onnx'), manifestOf({ name: 'probabilities', column: 1 }))
    const failed = wrong.score([
      { amount: 1, count: 1 },
      { amount: 2, count: 1 },
    ])
    await expect(failed).rejects.toMatchObject({ code: 'MODEL_OUTPUT_INVALID' })
    expect(ends).toEqual([])
  })

  it('is not served where the graph cannot be loaded, with the sentence of the runtime', async () => {
    await expect(inWorker(new Uint8Array([1, 2, 3]), manifestOf({ name: 'x', column: 0 }))).rejects.toThrow(/\w{4,}/)
    const renamed = inWorker(fixture('mixed.onnx'), manifestOf({ name: 'nothing', column: 0 }))
    await expect(renamed).rejects.toThrow('it has no output nothing')
  })

  it('gives up the rows of a run that takes too long, and is started again', async () => {
    const { contract, manifest, graph, rows } = bigModel(100)
    const scorer = await inWorker(graph, manifest, { contract, longestRunMs: 500 })
    const alone = () => scorer.score(rows.slice(0, 1)).catch(() => undefined)
    const before = (await scorer.score(rows.slice(0, 1)))[0]
    const many = Array.from({ length: 20_000 }, (_, i) => rows[i % rows.length] as FeatureValues)
    const behind = scorer.score(many).catch(error => error)
    await expect(scorer.score(many)).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await behind).toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    await expect(scorer.score(rows.slice(0, 1))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(scorer.isAway).toBe(true)
    await until(async () => (await alone())?.[0] === before, 30_000)
    expect(scorer.isAway).toBe(false)
    expect(new Set(ends)).toEqual(new Set(['a run took too long']))
  })
})
