import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import type { GraphInput, ModelManifest } from '../../../../src/scoring/manifest.js'
import { OnnxModel } from '../../../../src/scoring/onnx/onnxModel.js'
import { dropZipMap } from '../../../../src/scoring/onnx/zipmap.js'
import { randomFrom } from '../../../support/random.js'
import { manifestOf } from '../../support/domain.js'

const FIXTURES = new URL('../../../fixtures/onnx/', import.meta.url)
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const ruleOf = ({ amount, count }: FeatureValues) => sigmoid(0.5 * Number(amount) - 0.25 * Number(count) + 0.125)

const POINTS = [
  [0, 0],
  [1, 0],
  [0, 1],
  [3, -2],
  [-4, 5],
]
const ROWS: FeatureValues[] = POINTS.map(([amount = 0, count = 0]) => ({ amount, count }))

const DOUBLES: GraphInput[] = [{ name: 'features', type: 'float64', columns: [{ feature: 'amount' }, { feature: 'count' }] }]
const MIXED: GraphInput[] = [
  { name: 'amount', type: 'float32', columns: [{ feature: 'amount' }] },
  { name: 'count', type: 'int64', columns: [{ feature: 'count', missing: 0 }] },
  { name: 'grade', type: 'string', columns: [{ feature: 'grade', missing: '' }] },
]
const MANIFESTS: Readonly<Record<string, ModelManifest>> = {
  'zipmap-int.onnx': manifestOf({ name: 'probabilities', column: 1 }),
  'zipmap-string.onnx': manifestOf({ name: 'probabilities', column: 0 }),
  'nan.onnx': manifestOf({ name: 'probabilities', column: 1 }),
  'out-of-range.onnx': manifestOf({ name: 'probabilities', column: 1 }),
  'one-column.onnx': manifestOf({ name: 'probability', column: 0 }),
  'flat.onnx': manifestOf({ name: 'probabilities', column: 0 }),
  'double.onnx': manifestOf({ name: 'probabilities', column: 1 }, DOUBLES),
  'mixed.onnx': manifestOf({ name: 'probabilities', column: 1 }, MIXED),
  'wrong-rows.onnx': manifestOf({ name: 'probabilities', column: 1 }),
}

function fixture(name: string): Buffer {
  return readFileSync(new URL(name, FIXTURES))
}

function manifestFor(name: string): ModelManifest {
  const manifest = MANIFESTS[name]
  if (!manifest) throw new Error(`There is no manifest for ${name}.`)
  return manifest
}

async function loaded(name: string, manifest = manifestFor(name)): Promise<OnnxModel> {
  return OnnxModel.load(fixture(name), manifest)
}

async function scored(name: string, rows: readonly FeatureValues[] = ROWS): Promise<unknown[]> {
  const model = await loaded(name)
  const answers = await model.score(rows)
  await model.release()
  return answers
}

function expectClose(answers: readonly unknown[], expected: readonly number[], digits: number): void {
  expect(answers).toHaveLength(expected.length)
  expected.forEach((probability, i) => {
    expect(answers[i]).toBeCloseTo(probability, digits)
  })
}

it('every fixture has a test', () => {
  const files = readdirSync(FIXTURES).filter(file => file.endsWith('.onnx'))
  expect(files.sort()).toEqual(Object.keys(MANIFESTS).sort())
})

describe('a graph', () => {
  const expected = JSON.parse(fixture('expected.json').toString()) as Record<
    string,
    { column: number; rows: { features: [number, number]; probability: number }[] }
  >

  it.each(Object.keys(expected))('with the ZipMap of %s answers like scikit-learn, for one row and for many', async name => {
    const { column, rows } = expected[name] ?? { column: -1, rows: [] }
    expect(manifestFor(name).onnx.output.column).toBe(column)
    const inputs = rows.map(({ features: [amount, count] }) => ({ amount, count }))
    const probabilities = rows.map(({ probability }) => probability)
    expectClose(await scored(name, inputs), probabilities, 6)
    for (const [i, input] of inputs.entries()) expectClose(await scored(name, [input]), [probabilities[i] ?? Number.NaN], 6)
  })

  it.each(['one-column.onnx', 'flat.onnx'])('with the output form of %s is read', async name => {
    expectClose(await scored(name), ROWS.map(ruleOf), 6)
  })

  it('in double precision gives results in double precision', async () => {
    expectClose(await scored('double.onnx'), ROWS.map(ruleOf), 14)
  })

  it('takes float32, int64 and texts together', async () => {
    const shifts: Record<string, number> = { A: 0, B: 0.5, C: 1 }
    const rows = ['A', 'B', 'C', undefined].map((grade, i) => ({ amount: i - 1.5, count: 3 * i, ...(grade && { grade }) }))
    const probabilities = rows.map(({ amount, count, grade }) =>
      sigmoid(0.25 * amount - 0.5 * count + (shifts[grade ?? ''] ?? 2)),
    )
    expectClose(await scored('mixed.onnx', rows), probabilities, 6)
  })

  it('answers 1,000 rows in their order', async () => {
    const rows = Array.from({ length: 1_000 }, (_, i) => ({ amount: i / 100, count: -i / 50 }))
    expectClose(await scored('one-column.onnx', rows), rows.map(ruleOf), 6)
  })

  it.each(['nan.onnx', 'out-of-range.onnx'])(
    'that answers with values that are not probabilities, %s, gives MODEL_OUTPUT_INVALID for each row',
    async name => {
      const answers = await scored(name)
      expect(answers).toHaveLength(ROWS.length)
      for (const answer of answers) expect(answer).toMatchObject({ code: 'MODEL_OUTPUT_INVALID' })
    },
  )

  it('that answers a different number of rows fails with MODEL_OUTPUT_INVALID', async () => {
    await expect(scored('wrong-rows.onnx')).rejects.toMatchObject({ code: 'MODEL_OUTPUT_INVALID' })
  })

  it.each([
    ['a column that the output does not have', 'one-column.onnx', manifestOf({ name: 'probability', column: 1 })],
    ['a column of an output without columns', 'flat.onnx', manifestOf({ name: 'probabilities', column: 1 })],
    ['the labels as probabilities', 'zipmap-int.onnx', manifestOf({ name: 'label', column: 0 })],
    ['texts as probabilities', 'zipmap-string.onnx', manifestOf({ name: 'label', column: 0 })],
  ])('whose manifest names %s gives no answers', async (_what, name, manifest) => {
    const scoring = loaded(name, manifest).then(model => model.score(ROWS))
    await expect(scoring).rejects.toMatchObject({ code: 'MODEL_OUTPUT_INVALID' })
  })

  it.each([
    ['double.onnx', manifestOf({ name: 'probabilities', column: 1 }), 'is float64 [N, 2], in the manifest float32 [N, 2]'],
    [
      'flat.onnx',
      manifestOf({ name: 'probabilities', column: 0 }, [{ name: 'features', type: 'float32', columns: [{ feature: 'amount' }] }]),
      'is float32 [N, 2], in the manifest float32 [N, 1]',
    ],
  ])('whose input differs in type or width from its manifest is refused: %s', async (name, manifest, problem) => {
    await expect(loaded(name, manifest)).rejects.toThrow(problem)
  })

  it.each([
    [
      'an input that the graph does not have',
      manifestOf({ name: 'probability', column: 0 }, [
        ...DOUBLES,
        { name: 'more', type: 'float32', columns: [{ feature: 'open' }] },
      ]),
      'it has no input more',
    ],
    [
      'another input',
      manifestOf({ name: 'probability', column: 0 }, [{ name: 'other', type: 'float32', columns: [{ feature: 'amount' }] }]),
      'its input features is not in the manifest',
    ],
    ['an output that the graph does not have', manifestOf({ name: 'score', column: 0 }), 'it has no output score'],
  ])('whose manifest names %s is refused', async (_what, manifest, problem) => {
    await expect(loaded('one-column.onnx', manifest)).rejects.toThrow(problem)
  })
})

describe('a file that is not a model', () => {
  const good = fixture('zipmap-int.onnx')

  it.each<[string, Uint8Array]>([
    ['empty', Buffer.alloc(0)],
    ['a text', Buffer.from('{"not": "a model"}\n'.repeat(100))],
    ['all zeros', Buffer.alloc(4_096)],
    ['an endless run of start-group tags', Buffer.alloc(100_000, 0x0b)],
    ['a length that goes past its end', Buffer.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 0x0a])],
  ])('being %s is refused', async (_what, bytes) => {
    await expect(OnnxModel.load(bytes, manifestFor('zipmap-int.onnx'))).rejects.toThrow()
  })

  it('being a model cut off at any byte is refused', async () => {
    for (let length = 1; length < good.length; length += 7) {
      await expect(OnnxModel.load(good.subarray(0, length), manifestFor('zipmap-int.onnx')), `at ${length}`).rejects.toThrow()
    }
  })

  it.each(['zipmap-int.onnx', 'mixed.onnx', 'one-column.onnx'])(
    'being %s with flipped bytes is refused, or gives probabilities or a coded error, and never ends the process',
    async name => {
      const random = randomFrom(7)
      const counts = { refused: 0, failed: 0, answered: 0 }
      const original = fixture(name)
      for (let round = 0; round < 150; round++) {
        const flipped = Buffer.from(original)
        const at = Math.floor(random() * flipped.length)
        flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(random() * 8))
        const model = await OnnxModel.load(flipped, manifestFor(name)).catch(() => undefined)
        if (!model) {
          counts.refused++
          continue
        }
        const answers = await model.score(ROWS).catch((error: unknown) => [error])
        for (const answer of answers) {
          if (typeof answer === 'number') expect(answer >= 0 && answer <= 1).toBe(true)
          else expect(answer).toMatchObject({ code: 'MODEL_OUTPUT_INVALID' })
        }
        counts[answers.every(answer => typeof answer === 'number') ? 'answered' : 'failed']++
        await model.release()
      }
      expect(counts.refused).toBeGreaterThan(0)
      expectClose(await scored('one-column.onnx'), ROWS.map(ruleOf), 6)
    },
  )
})

describe('dropZipMap', () => {
  it('does not change a model without a ZipMap', () => {
    const model = fixture('one-column.onnx')
    const { bytes, tensorOf } = dropZipMap(model)
    expect(bytes).toBe(model)
    expect(tensorOf.size).toBe(0)
  })

  it.each(['zipmap-int.onnx', 'zipmap-string.onnx'])('removes the ZipMap of %s and names the tensor in its place', name => {
    const model = fixture(name)
    const before = Buffer.from(model)
    const { bytes, tensorOf } = dropZipMap(model)
    expect([...tensorOf.keys()]).toEqual(['probabilities'])
    expect(Buffer.from(bytes).includes('ZipMap')).toBe(false)
    expect(model.equals(before)).toBe(true)
    expect(dropZipMap(bytes).tensorOf.size).toBe(0)
  })
})
