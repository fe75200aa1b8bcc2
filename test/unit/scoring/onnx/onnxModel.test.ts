import { readdirSync, readFileSync } from 'node:fs'
import { InferenceSession } from 'onnxruntime-node'
import { describe, expect, it } from 'vitest'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import type { GraphInput, ModelManifest } from '../../../../src/scoring/manifest.js'
import { externalFileNames, inlineExternalData } from '../../../../src/scoring/onnx/externalData.js'
import { NEWEST } from '../../../../src/scoring/onnx/formatVersion.js'
import { OnnxModel } from '../../../../src/scoring/onnx/onnxModel.js'
import { dropZipMap } from '../../../../src/scoring/onnx/zipmap.js'
import { goldenRows } from '../../../support/applicants.js'
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
const WHOLE: GraphInput[] = [
  { name: 'open', type: 'bool', columns: [{ feature: 'flag', missing: false }] },
  { name: 'count', type: 'int32', columns: [{ feature: 'count', missing: 0 }] },
]
const HALVES: GraphInput[] = [{ ...(DOUBLES[0] as GraphInput), type: 'float16' }]
const FLAT: GraphInput[] = ['amount', 'count'].map(name => ({ name, type: 'float32', columns: [{ feature: name }] }))
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
  'whole.onnx': manifestOf({ name: 'probability', column: 0 }, WHOLE),
  'fixed-one.onnx': manifestOf({ name: 'probability', column: 0 }),
  'fixed-eight.onnx': manifestOf({ name: 'probability', column: 0 }),
  'half.onnx': manifestOf({ name: 'probability', column: 0 }),
  'half-input.onnx': manifestOf({ name: 'probability', column: 0 }, HALVES),
  'flat-inputs.onnx': manifestOf({ name: 'probability', column: 0 }, FLAT),
  'columns.onnx': manifestOf({ name: 'yes', column: 0 }),
  'new-format.onnx': manifestOf({ name: 'probability', column: 0 }),
  'new-opset.onnx': manifestOf({ name: 'probability', column: 0 }),
  'external.onnx': manifestOf({ name: 'probability', column: 0 }),
  'rank-one.onnx': manifestOf({ name: 'probability', column: 0 }),
  'neighbours.onnx': manifestOf({ name: 'probability', column: 0 }),
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

  it.each(['one-column.onnx', 'flat.onnx', 'flat-inputs.onnx', 'columns.onnx', 'rank-one.onnx', 'new-format.onnx'])(
    'of the form of %s is read, alone and in groups',
    async name => {
      expectClose(await scored(name), ROWS.map(ruleOf), 6)
      for (const row of ROWS) expectClose(await scored(name, [row]), [ruleOf(row)], 6)
    },
  )

  it.each(['half.onnx', 'half-input.onnx'])('in half precision, %s, is read', async name => {
    expectClose(await scored(name), ROWS.map(ruleOf), 3)
  })

  it('takes the code of a category, which may be a whole number', async () => {
    const codes = { A: 3, B: -4, C: 2 ** 20 }
    const inputs: GraphInput[] = [
      { name: 'open', type: 'bool', columns: [{ feature: 'flag' }] },
      { name: 'count', type: 'int32', columns: [{ feature: 'grade', codes, missing: 0 }] },
    ]
    const model = await loaded('whole.onnx', manifestOf({ name: 'probability', column: 0 }, inputs))
    const rows = [{ flag: true, grade: 'A' }, { flag: false, grade: 'B' }, { flag: false }]
    expectClose(
      await model.score(rows),
      [ruleOf({ amount: 3, count: 1 }), ruleOf({ amount: -4, count: 0 }), ruleOf({ amount: 0, count: 0 })],
      6,
    )
    await model.release()
  })

  it('keeps its large tensors in a file beside it, which is read into it', async () => {
    const graph = fixture('external.onnx')
    const data = fixture('external.onnx.data')
    expect(externalFileNames(graph)).toEqual(['external.onnx.data'])
    const whole = inlineExternalData(graph, new Map([['external.onnx.data', data]]))
    const model = await OnnxModel.load(whole, manifestFor('external.onnx'))
    expectClose(await model.score(ROWS), ROWS.map(ruleOf), 6)
    await model.release()
    expect(() => inlineExternalData(graph, new Map())).toThrow(
      'its tensors are in external.onnx.data, which is not in the manifest',
    )
    const short = new Map([['external.onnx.data', data.subarray(0, data.length - 1)]])
    expect(() => inlineExternalData(graph, short)).toThrow('external.onnx.data is shorter than its graph says')
    expect(inlineExternalData(fixture('one-column.onnx'), new Map())).toEqual(fixture('one-column.onnx'))
  })

  it('of operators that the runtime does not know is refused with what to do', async () => {
    await expect(loaded('new-opset.onnx')).rejects.toThrow(
      'it uses operators of opset 28; export it again for opset 26 or older (target_opset)',
    )
    const known = Buffer.from(fixture('new-opset.onnx'))
    known[1] = NEWEST.ir
    await expect(InferenceSession.create(known), 'what the runtime itself says').rejects.toThrow(`till opset ${NEWEST.opset}`)
    await expect(InferenceSession.create(fixture('new-format.onnx'))).rejects.toThrow(`max supported IR version: ${NEWEST.ir}`)
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

  it('takes bool and int32', async () => {
    const rows = [{ flag: true, count: 3 }, { flag: false, count: -4 }, { count: 2 ** 20 }, {}]
    const expected = rows.map(({ flag, count = 0 }) => ruleOf({ amount: count, count: Number(flag ?? false) }))
    expectClose(await scored('whole.onnx', rows), expected, 6)
  })

  it('that was exported for one row answers any number of rows, one by one', async () => {
    expectClose(await scored('fixed-one.onnx'), ROWS.map(ruleOf), 6)
    expectClose(await scored('fixed-one.onnx', ROWS.slice(0, 1)), ROWS.slice(0, 1).map(ruleOf), 6)
  })

  it.each(['1', '2'])('gives a row the same bits alone and in groups of any size: version %s', async version => {
    const directory = new URL(`../../../../models/consumer-credit/${version}/`, import.meta.url)
    const manifest = JSON.parse(readFileSync(new URL('manifest.json', directory), 'utf8')) as ModelManifest
    const model = await OnnxModel.load(readFileSync(new URL('model.onnx', directory)), manifest)
    const rows = goldenRows(version)
      .slice(0, 256)
      .map(({ features }) => features)
    const together = await model.score(rows)
    for (const size of [1, 2, 3, 7, 16, 33, 100]) {
      for (let at = 0; at < rows.length; at += size) {
        expect(await model.score(rows.slice(at, at + size)), `${size} rows`).toEqual(together.slice(at, at + size))
      }
    }
    await model.release()
  })

  it.each(['double.onnx', 'neighbours.onnx'])(
    'with operators whose last bit depends on the group, %s, gives a row the same bits alone and beside any others',
    async name => {
      const rows = Array.from({ length: 67 }, (_, i) => ({ amount: i / 7 - 4, count: (i * 5) % 11 }))
      const together = await scored(name, rows)
      for (const [i, row] of rows.entries()) expect(await scored(name, [row])).toEqual(together.slice(i, i + 1))
      expect(await scored(name, [...rows].reverse())).toEqual([...together].reverse())
    },
  )

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
    [
      'a column that the output does not have',
      'one-column.onnx',
      manifestOf({ name: 'probability', column: 1 }),
      'has 1 column(s)',
    ],
    ['a column of an output without columns', 'flat.onnx', manifestOf({ name: 'probabilities', column: 1 }), 'names column 1'],
    ['the labels as probabilities', 'zipmap-int.onnx', manifestOf({ name: 'label', column: 0 }), 'its output label is int64'],
    ['texts as probabilities', 'zipmap-string.onnx', manifestOf({ name: 'label', column: 0 }), 'its output label is string'],
  ])('whose manifest names %s is refused', async (_what, name, manifest, problem) => {
    await expect(loaded(name, manifest)).rejects.toThrow(problem)
  })

  it.each([['fixed-eight.onnx', 'its input features takes exactly 8 rows a run; export the graph with a free number of rows']])(
    'that can never answer is refused: %s',
    async (name, problem) => {
      await expect(loaded(name)).rejects.toThrow(problem)
    },
  )

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
