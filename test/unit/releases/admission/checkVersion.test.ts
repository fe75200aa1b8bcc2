import { createHash } from 'node:crypto'
import { copyFile, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { judgeCompany } from '../../../../src/releases/admission/company.js'
import { probeProblems } from '../../../../src/releases/admission/domainProbes.js'
import { checkGoldenRows } from '../../../../src/releases/admission/goldenCheck.js'
import { type GoldenRow, readGoldenRows } from '../../../../src/releases/admission/goldenRows.js'
import { readVersion } from '../../../../src/releases/admission/readVersion.js'
import type { FeatureContract, ModelContract } from '../../../../src/scoring/contract.js'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import { ownAdmission } from '../../../support/folderReleases.js'
import { contract, manifestOf } from '../../support/domain.js'

const FIXTURES = new URL('../../../fixtures/onnx/', import.meta.url)
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const rule = (amount: number, count: number) => sigmoid(0.5 * amount - 0.25 * count + 0.125)

/** The contract of the fixtures: two numbers. */
const TWO_NUMBERS: ModelContract = {
  ...contract,
  features: contract.features.filter(({ name }) => ['amount', 'count'].includes(name)),
}
const REQUIRED: ModelContract = {
  ...TWO_NUMBERS,
  features: TWO_NUMBERS.features.map(feature => ({ ...feature, required: true })),
}
const goldenRow = (amount: number, count: number, probability = rule(amount, count)) => ({
  features: { amount, count },
  probability,
})

describe('a version of a fixture', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-version-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  async function admission(
    file: string,
    rows: readonly object[],
    output = { name: 'probability', column: 0 },
    fitting = TWO_NUMBERS,
  ) {
    await copyFile(new URL(file, FIXTURES), join(directory, 'model.onnx'))
    await writeFile(join(directory, 'golden.jsonl'), rows.map(row => JSON.stringify(row)).join('\n'))
    const sha256 = createHash('sha256')
      .update(await readFile(join(directory, 'model.onnx')))
      .digest('hex')
    const { onnx, ...rest } = manifestOf(output)
    const manifest = { ...rest, onnx: { ...onnx, sha256 } }
    await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest))
    const version = await readVersion(directory, manifest.version, fitting)
    return ownAdmission.check({ ...version, manifest })
  }

  const AT_THE_EDGES = [goldenRow(1, 0), goldenRow(1_000, 100), { features: { amount: 1 }, probability: 0.5 }]

  it('is admitted where the graph agrees with its golden rows', async () => {
    const { problems, warnings } = await admission('one-column.onnx', [goldenRow(2, 0), goldenRow(1, 100)])
    expect(problems).toEqual([expect.stringContaining('count missing')])
    expect(warnings).toEqual([])
  })

  it('is admitted with a warning where golden rows leave out what the contract allows', async () => {
    const { problems, warnings } = await admission('one-column.onnx', [goldenRow(2, 0), goldenRow(1, 100)], undefined, REQUIRED)
    expect(problems).toEqual([])
    expect(warnings).toEqual(['test-model/1/golden.jsonl: it should also have rows with amount = 1000.'])
  })

  it.each([1, 3])('is admitted with a warning where all its %i applications are the same', async rows => {
    const unbounded: ModelContract = {
      ...REQUIRED,
      features: ['amount', 'count'].map(name => ({
        ...(REQUIRED.features[0] as FeatureContract),
        name,
        kind: 'NUMBER',
        minimum: undefined,
        maximum: undefined,
      })),
    }
    const same = Array.from({ length: rows }, () => goldenRow(2, 0))
    const { problems, warnings } = await admission('one-column.onnx', same, undefined, unbounded)
    expect(problems).toEqual([])
    expect(warnings).toEqual([expect.stringMatching(/golden\.jsonl: all applications that were tried are the same/)])
  })

  it.each([
    [
      'a probability of its own',
      'one-column.onnx',
      [goldenRow(2, 0), goldenRow(4, 8, 0.5)],
      /^test-model\/1\/model\.onnx: 1 of 2 golden rows .*: line 2 expected 0\.5, got 0\.5312/,
    ],
    ['NaN', 'nan.onnx', [goldenRow(2, 0)], /line 1 expected 0\.75\d+, got NaN/],
    ['2.5', 'out-of-range.onnx', [goldenRow(2, 0)], /got 2\.5/],
    [
      'fewer rows than it was given',
      'wrong-rows.onnx',
      [goldenRow(2, 0), goldenRow(1, 0)],
      /cannot score the golden rows: .* float32 \[1, 2\]/,
    ],
    [
      'a probability that depends on other rows',
      'neighbours.onnx',
      [goldenRow(5, 4, rule(2, 2)), goldenRow(1, 0, rule(-2, -2))],
      /2 of 2 golden rows have another probability/,
    ],
  ])('is refused where the graph answers %s', async (_what, file, rows, problem) => {
    const output = file.startsWith('one') || file.startsWith('neigh') ? undefined : { name: 'probabilities', column: 1 }
    // It answers NaN for a missing number, which would be the first to be told.
    const { problems } = await admission(file, rows, output, file === 'neighbours.onnx' ? REQUIRED : TWO_NUMBERS)
    expect(problems).toEqual([expect.stringMatching(problem)])
  })

  it('is refused where golden.jsonl is larger than a text can be', async () => {
    const version = await admission('one-column.onnx', [goldenRow(2, 0)], undefined, REQUIRED)
    expect(version.problems).toEqual([])
    const golden = join(directory, 'golden.jsonl')
    await truncate(golden, 256 * 1024 ** 2 + 1)
    expect(await readGoldenRows(golden, '1/golden.jsonl', REQUIRED)).toEqual({
      problems: ['1/golden.jsonl is larger than 256 MiB. Keep fewer rows.'],
    })
  })

  it('is refused with the first five of many wrong lines', async () => {
    const { problems } = await admission(
      'one-column.onnx',
      Array.from({ length: 9 }, () => ({ features: { amount: 0 } })),
    )
    expect(problems).toHaveLength(6)
    expect(problems.at(-1)).toBe('test-model/1/golden.jsonl: 4 more lines have problems.')
  })

  it('is refused where a golden row of a missing feature shows NaN', async () => {
    expect((await admission('one-column.onnx', AT_THE_EDGES)).problems).toEqual([
      expect.stringContaining('line 3 expected 0.5, got NaN'),
    ])
  })
})

it('a graph that fails only where all optional features are missing is refused', async () => {
  const optional = { ...TWO_NUMBERS, features: TWO_NUMBERS.features.map(feature => ({ ...feature, required: false })) }
  const run = async (rows: readonly FeatureValues[]) =>
    rows.map(({ amount, count }) => (amount === undefined && count === undefined ? Number.NaN : 0.5))
  expect(await probeProblems({ run }, optional, [])).toEqual([
    'the graph gives no probability where all optional features are missing: it answers NaN.',
  ])
  expect(await probeProblems({ run }, REQUIRED, [])).toEqual([])
})

describe('the company of other rows', () => {
  const rows = Array.from({ length: 30 }, (_, i) => ({ amount: i }))

  it('is a problem, not the end of the start, where the graph fails for a lone row', async () => {
    const run = async (rows: readonly FeatureValues[]) => {
      if (rows.length === 1) throw new Error('Reshape failed\n for 1 row.')
      return rows.map(() => 0.5)
    }
    expect(await judgeCompany({ run }, rows)).toEqual({
      problem: 'the graph cannot score a row alone and in groups: Reshape failed for 1 row.',
    })
  })

  it('is seen where it changes the bits in one place of one size of group', async () => {
    const run = async (rows: readonly FeatureValues[]) =>
      rows.map((_, i) => (rows.length === 13 && i === 12 ? 0.5 + 2 ** -53 : 0.5))
    expect(await judgeCompany({ run }, rows)).toEqual({ hasOtherBits: true })
    expect(await judgeCompany({ run: async rows => rows.map(() => 0.5) }, rows)).toEqual({ hasOtherBits: false })
  })

  it.each([64, 100, 160, 256])('is seen where only groups of %i rows depend on it', async size => {
    const own = ({ amount }: FeatureValues) => Number(amount) / 100
    const leak = async (rows: readonly FeatureValues[]) => {
      const last = rows.at(-1) as FeatureValues
      return rows.map(row => own(rows.length === size ? last : row))
    }
    expect(await judgeCompany({ run: leak }, rows)).toEqual({
      problem: expect.stringMatching(RegExp(`depends on those beside it: \\S+ alone, \\S+ among ${size - 1} others`)),
    })
    const halved = async (rows: readonly FeatureValues[]) => rows.map(row => own(row) / (rows.length === size ? 2 : 1))
    expect(await judgeCompany({ run: halved }, rows)).toEqual({ problem: expect.stringContaining('depends on those beside it') })
  })

  it('is tried with few rows, too', async () => {
    const one = [{ amount: 50 }]
    const run = async (rows: readonly FeatureValues[]) => rows.map(({ amount }) => Number(amount) / rows.length / 100)
    expect(await judgeCompany({ run }, one)).toEqual({ problem: expect.stringContaining('0.5 alone') })
    expect(await judgeCompany({ run: async rows => rows.map(() => 0.5) }, one)).toEqual({ hasOtherBits: false })
  })

  it('is seen where only a row with a missing feature depends on it', async () => {
    const mean = (rows: readonly FeatureValues[]) => rows.reduce((sum, { amount }) => sum + Number(amount ?? 0), 0) / rows.length
    const run = async (rows: readonly FeatureValues[]) => rows.map(({ amount }) => Number(amount ?? mean(rows)) / 100)
    const company = await judgeCompany({ run }, [...Array.from({ length: 500 }, (_, i) => ({ amount: i % 90 })), {}])
    expect(company).toEqual({ problem: expect.stringContaining('depends on those beside it') })
  })
})

it('the worst of 200,000 golden rows is found', async () => {
  const rows = Array.from({ length: 200_000 }, (_, i) => ({ line: i + 1, features: {}, probability: i === 150_000 ? 0.9 : 0.5 }))
  const { problems } = await checkGoldenRows({ run: async group => group.map(() => 0.5) }, rows)
  expect(problems).toEqual([expect.stringContaining('1 of 200000 golden rows have another probability')])
})

describe('a graph with another threshold than its library', () => {
  /** 0.9 above 3, else 0.1; the library compares in doubles with a threshold between two float32 numbers. */
  const run = async (rows: readonly FeatureValues[]) => rows.map(({ amount }) => (Math.fround(Number(amount)) > 3 ? 0.9 : 0.1))
  const atThreshold = (line: number): GoldenRow => ({ line, features: { amount: 3 }, probability: 0.9 })
  const rows = (count: number): GoldenRow[] =>
    Array.from({ length: count }, (_, i) => ({ line: i + 1, features: { amount: i % 3 }, probability: 0.1 }))

  it('is admitted with a warning while one row in a hundred is one float32 step from it', async () => {
    const { problems, warnings } = await checkGoldenRows({ run }, [...rows(198), atThreshold(199), atThreshold(200)])
    expect(problems).toEqual([])
    expect(warnings).toEqual([
      expect.stringMatching(
        /^line 199 expected 0\.9, got 0\.1; line 200 .* one float32 step from a threshold\. So many rows may \(2 of 200\)/,
      ),
    ])
  })

  it('is refused where more rows are, or one of them is elsewhere', async () => {
    const many = await checkGoldenRows({ run }, [...rows(197), ...[198, 199, 200].map(atThreshold)])
    expect(many.problems).toEqual([expect.stringContaining('3 of 200 golden rows have another probability')])
    const elsewhere: GoldenRow = { line: 200, features: { amount: 1 }, probability: 0.9 }
    const mixed = await checkGoldenRows({ run }, [...rows(198), atThreshold(199), elsewhere])
    expect(mixed.problems).toEqual([expect.stringContaining('1 of them are one float32 step from a threshold')])
  })
})
