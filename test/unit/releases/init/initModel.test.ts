import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type InitOptions, initModel } from '../../../../src/releases/init/initModel.js'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import { goldenRows } from '../../../support/applicants.js'
import { championOf, checkModelsOf } from '../../../support/folderReleases.js'

const BUNDLED = new URL('../../../../models/consumer-credit/', import.meta.url).pathname
const FIXTURES = new URL('../../../fixtures/onnx/', import.meta.url).pathname
const sigmoid = (z: number) => 1 / (1 + Math.exp(-z))
const rule = (amount: number, count: number) => sigmoid(0.5 * amount - 0.25 * count + 0.125)

const POINTS = Array.from({ length: 40 }, (_, i) => [i / 4 - 3, (i * 7) % 11] as const)

describe('the folder of a version', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-init-'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const models = () => join(directory, 'models')

  async function init(file: string, rows: string, options: Partial<InitOptions> = {}) {
    const rowsFile = join(directory, options.rowsFile ?? 'rows.csv')
    await writeFile(rowsFile, rows)
    return initModel({ file, drop: [], codes: new Map(), directory: models(), name: 'made', version: '1', ...options, rowsFile })
  }

  const champion = () => championOf(models(), 'made')

  it.each([
    ['commas', ',', 'probability'],
    ['semicolons, as of a spreadsheet', ';', 'PD'],
    ['tabs', '\t', 'y_prob'],
  ])('is made from an ONNX file and a CSV file with %s, and serves', async (_what, separator, column) => {
    const header = ['AMOUNT', 'COUNT OF LOANS', column].join(separator)
    const lines = POINTS.map(([amount, count]) => [amount, count, rule(amount, count)].join(separator))
    const made = await init(join(FIXTURES, 'double.onnx'), `\uFEFF${[header, ...lines].join('\r\n')}\r\n`)
    expect(made).toMatchObject({
      features: 2,
      goldenRows: 40,
      output: { name: 'probabilities', column: 1 },
      isNewModel: true,
      guessed: [],
    })
    expect(made.deviation).toBeLessThan(1e-12)
    const [checked] = await checkModelsOf(models())
    expect(checked).toMatchObject({ problems: [], versions: [{ stage: 'CHAMPION', warnings: [] }] })
    const release = await champion()
    expect((await release?.score({ amount: 2, countOfLoans: 1 }))?.probability).toBeCloseTo(rule(2, 1), 12)
    expect(
      release?.contract.features.map(({ name, kind, required, description }) => ({ name, kind, required, description })),
    ).toEqual([
      { name: 'amount', kind: 'NUMBER', required: true, description: { en: 'AMOUNT', es: 'AMOUNT' } },
      { name: 'countOfLoans', kind: 'NUMBER', required: true, description: { en: 'COUNT OF LOANS', es: 'COUNT OF LOANS' } },
    ])
  })

  it.each(['zipmap-int.onnx', 'zipmap-string.onnx'])('finds the class of %s that is the default', async file => {
    const expected = JSON.parse(await readFile(join(FIXTURES, 'expected.json'), 'utf8'))[file]
    const lines = expected.rows.map(({ features, probability }: { features: number[]; probability: number }) =>
      [...features, probability].join(','),
    )
    const made = await init(join(FIXTURES, file), ['a,b,p', ...lines].join('\n'))
    expect(made.output).toEqual({ name: 'probabilities', column: expected.column })
  })

  it('takes an input for each column by its name, with texts, whole numbers and Booleans', async () => {
    const rows = [
      { open: 'True', grade: 'x', count: 3, probability: sigmoid(0.5 * 3 - 0.25 + 0.125) },
      { open: 'False', grade: 'y', count: -4, probability: sigmoid(-2 + 0.125) },
    ]
    const csv = [
      'Count,grade,OPEN,pd',
      ...rows.map(({ count, grade, open, probability }) => [count, grade, open, probability].join(',')),
    ]
    await init(join(FIXTURES, 'whole.onnx'), csv.join('\n'), { drop: ['grade'] })
    expect((await champion())?.contract.features.map(({ name, kind }) => [name, kind])).toEqual([
      ['open', 'BOOLEAN'],
      ['count', 'INTEGER'],
    ])
  })

  it('takes a tensor of its own file along', async () => {
    const csv = ['a,b,p', ...POINTS.map(([a, b]) => [a, b, rule(a, b)].join(','))].join('\n')
    await init(join(FIXTURES, 'external.onnx'), csv)
    expect((await readdir(join(models(), 'made', '1'))).sort()).toEqual([
      'external.onnx.data',
      'golden.jsonl',
      'manifest.json',
      'model.onnx',
    ])
    expect(await champion()).toBeDefined()
  })

  it('is made from the bundled logistic version and its golden rows, as its own manifest says', async () => {
    const jsonl = goldenRows('1').map(row => JSON.stringify(row))
    const made = await init(join(BUNDLED, '1', 'model.onnx'), jsonl.join('\n'), { rowsFile: 'golden.jsonl' })
    const { onnx } = JSON.parse(await readFile(join(BUNDLED, '1', 'manifest.json'), 'utf8'))
    expect(made.output).toEqual(onnx.output)
    expect(made.deviation).toBeLessThan(1e-5)
  })

  it('keeps contract and champion of a model that is there, and never writes over a version', async () => {
    const csv = ['a,b,p', ...POINTS.map(([a, b]) => [a, b, rule(a, b)].join(','))].join('\n')
    await init(join(FIXTURES, 'one-column.onnx'), csv)
    await writeFile(join(models(), 'made', 'champion'), '1')
    const again = await init(join(FIXTURES, 'one-column.onnx'), csv, { version: '2' })
    expect(again.isNewModel).toBe(false)
    expect(await readFile(join(models(), 'made', 'champion'), 'utf8')).toBe('1')
    await expect(init(join(FIXTURES, 'one-column.onnx'), csv)).rejects.toThrow('exists already')
  })

  it('lists the features of a model that is there which its graph does not take', async () => {
    const csv = ['a,b,p', ...POINTS.map(([a, b]) => [a, b, rule(a, b)].join(','))].join('\n')
    await init(join(FIXTURES, 'one-column.onnx'), csv)
    const file = join(models(), 'made', 'contract.json')
    const contract = JSON.parse(await readFile(file, 'utf8'))
    contract.features.push({ name: 'age', kind: 'NUMBER', required: false })
    await writeFile(file, JSON.stringify(contract))
    const unusedOf = async (version: string) =>
      JSON.parse(await readFile(join(models(), 'made', version, 'manifest.json'), 'utf8')).unused
    await init(join(FIXTURES, 'one-column.onnx'), csv, { version: '2' })
    expect(await unusedOf('1')).toBeUndefined()
    expect(await unusedOf('2')).toEqual(['age'])
    await writeFile(join(models(), 'made', 'champion'), '2')
    const [checked] = await checkModelsOf(models())
    expect(checked?.versions).toMatchObject([
      { version: '2', stage: 'CHAMPION' },
      { version: '1', problems: [expect.stringContaining('no column uses age; add a column, or list it')] },
    ])
  })

  it('appears at once, with all its files, or not at all', async () => {
    const csv = ['a,b,p', ...POINTS.map(([a, b]) => [a, b, rule(a, b)].join(','))].join('\n')
    // A file stands where the folder of the model would be.
    await mkdir(models())
    await writeFile(join(models(), 'made'), '')
    await expect(init(join(FIXTURES, 'one-column.onnx'), csv)).rejects.toThrow('Remove what is there, or choose another name.')
    expect(await readdir(models())).toEqual(['made'])
    await rm(join(models(), 'made'))
    await init(join(FIXTURES, 'one-column.onnx'), csv)
    expect(await readdir(models())).toEqual(['made'])
  })

  it('finds the order of categories that the graph takes as numbers, or uses the one that is given', async () => {
    const codes: Record<string, number> = { low: 0, high: 1, middle: 2 }
    const rows = (order: Record<string, number>) =>
      [
        'amount,grade,p',
        ...POINTS.map(([amount], i) => {
          const grade = ['low', 'high', 'middle'][i % 3] as string
          return [amount, grade, rule(amount, order[grade] as number)].join(',')
        }),
      ].join('\n')
    const first = await init(join(FIXTURES, 'one-column.onnx'), rows(codes))
    expect(first).toMatchObject({ guessed: [] })
    expect(first.deviation).toBeLessThan(1e-6)
    const odd = { middle: 0, low: 1, high: 2 }
    const second = await init(join(FIXTURES, 'one-column.onnx'), rows(odd), { name: 'other' })
    expect(second).toMatchObject({ guessed: ['grade'] })
    expect(second.deviation).toBeGreaterThan(0.01)
    const given = new Map([['grade', ['middle', 'low', 'high']]])
    const third = await init(join(FIXTURES, 'one-column.onnx'), rows(odd), { name: 'third', codes: given })
    expect(third).toMatchObject({ guessed: [] })
    expect(third.deviation).toBeLessThan(1e-6)
  })

  it('reads the most usual column of probabilities, wherever it stands in the file', async () => {
    const csv = ['score,p,PD', `1,2,${rule(1, 2)}`, `3,4,${rule(3, 4)}`].join('\n')
    const made = await init(join(FIXTURES, 'one-column.onnx'), csv)
    expect(made).toMatchObject({ probabilityColumn: 'PD', features: 2 })
    expect(made.deviation).toBeLessThan(1e-6)
  })

  describe('texts such as none and outer spaces', () => {
    const mixed = (amount: number, g: number) => sigmoid(0.25 * amount - 0.5 + g)
    const gradesOf = async () => {
      const { features } = JSON.parse(await readFile(join(models(), 'made', 'contract.json'), 'utf8'))
      return features.find(({ name }: { name: string }) => name === 'grade').categories
    }

    it.each<[string, number, string[], string[]]>([
      ['belong to a category where the graph agrees', 2, [' B', 'A', 'none'], []],
      ['do not where it disagrees, and what counts as missing is said', 0.5, ['A', 'B'], ['grade (none)']],
    ])('%s', async (_what, spaced, grades, countedAsMissing) => {
      const csv = ['amount,count,grade,p', `1,1,A,${mixed(1, 0)}`, `2,1, B,${mixed(2, spaced)}`, `3,1,none,${mixed(3, 2)}`]
      const made = await init(join(FIXTURES, 'mixed.onnx'), csv.join('\n'))
      expect(made).toMatchObject({ countedAsMissing })
      expect(made.deviation).toBeLessThan(1e-6)
      expect(await gradesOf()).toEqual(grades)
      expect(await readFile(join(models(), 'made', '1', 'golden.jsonl'), 'utf8')).not.toContain('written')
    })

    it('count as missing where the graph takes numbers, which is said', async () => {
      const csv = ['a,home,p', '1,rent,0.5', '2,None,0.5', '3,,0.5', '4,owner,0.5']
      const made = await init(join(FIXTURES, 'one-column.onnx'), csv.join('\n'))
      expect(made).toMatchObject({ countedAsMissing: ['home (None)'] })
    })
  })

  describe('the outcomes of the rows', () => {
    const golden = async () => {
      const lines = (await readFile(join(models(), 'made', '1', 'golden.jsonl'), 'utf8')).trim().split('\n')
      return lines.map(line => JSON.parse(line))
    }

    it('of a golden.jsonl are kept', async () => {
      const row = (a: number, more: object) => JSON.stringify({ features: { a, b: 1 }, probability: rule(a, 1), ...more })
      const lines = [row(1, { defaulted: true }), row(2, { defaulted: false }), row(3, { defaulted: null }), row(4, {})]
      await init(join(FIXTURES, 'one-column.onnx'), lines.join('\n'), { rowsFile: 'golden.jsonl' })
      expect((await golden()).map(({ defaulted }) => defaulted)).toEqual([true, false, undefined, undefined])
    })

    it('are kept from a column that the graph does not take', async () => {
      const csv = ['a,Defaulted,b,p', `1,1,2,${rule(1, 2)}`, `2,False,3,${rule(2, 3)}`, `3,,4,${rule(3, 4)}`]
      await init(join(FIXTURES, 'one-column.onnx'), csv.join('\n'))
      expect((await golden()).map(({ features, defaulted }) => [features, defaulted])).toEqual([
        [{ a: 1, b: 2 }, true],
        [{ a: 2, b: 3 }, false],
        [{ a: 3, b: 4 }, undefined],
      ])
      expect((await champion())?.contract.features.map(({ name }) => name)).toEqual(['a', 'b'])
    })

    it('are a feature where the graph takes the column', async () => {
      const csv = ['a,defaulted,p', `1,1,${rule(1, 1)}`, `2,0,${rule(2, 0)}`]
      await init(join(FIXTURES, 'one-column.onnx'), csv.join('\n'))
      expect((await golden()).map(({ features, defaulted }) => [features, defaulted])).toEqual([
        [{ a: 1, defaulted: 1 }, undefined],
        [{ a: 2, defaulted: 0 }, undefined],
      ])
    })
  })

  it.each<[string, string[], object, (deviation: number) => boolean]>([
    ['finds', ['a', 'c', 'b'], { guessed: [] }, deviation => deviation < 1e-6],
    ['does not confirm', ['a', 'b', 'c'], { guessed: ['grade'] }, deviation => deviation > 0.01],
  ])('%s the order of categories by rows far down in the file', async (_what, seen, expected, isDeviation) => {
    const order: Record<string, number> = { a: 0, c: 1, b: 2 }
    const lines = Array.from({ length: 2_001 }, (_, i) => {
      const grade = i < 1_998 ? 'a' : (seen[i - 1_998] as string)
      return [i % 5, grade, rule(i % 5, order[grade] as number)].join(',')
    })
    const made = await init(join(FIXTURES, 'one-column.onnx'), ['amount,grade,p', ...lines].join('\n'))
    expect(made).toMatchObject(expected)
    expect(isDeviation(made.deviation)).toBe(true)
  })

  describe('a graph that takes categories one-hot', () => {
    /** The columns of the manifest, as `feature` or `feature=category`. */
    async function columns(name: string): Promise<string[]> {
      const { onnx } = JSON.parse(await readFile(join(models(), name, '1', 'manifest.json'), 'utf8'))
      return onnx.inputs[0].columns.map(({ feature, equals }: Record<string, string>) =>
        equals ? `${feature}=${equals}` : feature,
      )
    }
    const csvOf = (homes: readonly string[], places: readonly (string | undefined)[]) =>
      ['home,p', ...homes.map(home => [home, rule(home === places[0] ? 1 : 0, home === places[1] ? 1 : 0)].join(','))].join('\n')

    it.each<[string, string[], string[]]>([
      ['in the order of the alphabet', ['rent', 'owner'], ['owner', 'rent']],
      ['in the order of the rows', ['rent', 'owner'], ['rent', 'owner']],
      ['without the first of them', ['rent', 'owner', 'parents'], ['parents', 'rent']],
    ])('is found out %s', async (_, homes, places) => {
      const made = await init(join(FIXTURES, 'one-column.onnx'), csvOf([...homes, ...homes], places))
      expect(made).toMatchObject({ guessed: [], deviation: expect.closeTo(0, 6) })
      expect(await columns('made')).toEqual(places.map(category => `home=${category}`))
      const release = await champion()
      expect((await release?.score({ home: places[1] as string }))?.probability).toBeCloseTo(rule(0, 1), 6)
    })

    it('has each category among the other columns, in the order that is given', async () => {
      const file = join(BUNDLED, '2', 'model.onnx')
      const codes = new Map([
        ['home', ['rent', 'owner', 'priv', 'ignore', 'parents', 'other']],
        ['job', ['fixed', 'partime', 'freelance', 'others']],
      ])
      const jsonl = goldenRows('2')
        .slice(0, 300)
        .map(row => JSON.stringify(row))
      const made = await init(file, jsonl.join('\n'), { rowsFile: 'golden.jsonl', codes })
      expect(made.deviation).toBeLessThan(1e-5)
      const { onnx } = JSON.parse(await readFile(join(BUNDLED, '2', 'manifest.json'), 'utf8'))
      const own = onnx.inputs[0].columns.map(({ feature, equals }: Record<string, string>) =>
        equals ? `${feature}=${equals}` : feature,
      )
      expect(await columns('made')).toEqual(own)
    })

    it('is refused where the rows do not show all of its categories', async () => {
      const rows = init(join(BUNDLED, '2', 'model.onnx'), 'income,home,p\n1,rent,0.5\n2,owner,0.5\n')
      await expect(rows).rejects.toThrow(
        /takes 19 numbers, and the rows file has 2 columns, or 3 with a column for each category/,
      )
    })
  })

  it('leaves a feature optional whose value is missing in some row, in any spelling', async () => {
    const spelled = ['', 'NA', 'NaN', 'null', 'None', '<NA>']
    const csv = ['a,b,p', ...POINTS.slice(0, 6).map(([a, b], i) => [a, i === 3 ? b : spelled[i], rule(a, b)].join(','))]
    await init(join(FIXTURES, 'one-column.onnx'), csv.join('\n')).catch(() => {})
    const contract = JSON.parse(await readFile(join(models(), 'made', 'contract.json'), 'utf8'))
    expect(contract.features.map(({ name, required }: { name: string; required: boolean }) => [name, required])).toEqual([
      ['a', true],
      ['b', false],
    ])
  })

  it('keeps the order of features of lines that leave missing ones out', async () => {
    const row = (features: FeatureValues) => JSON.stringify({ features, probability: 0.5 })
    const lines = [
      row({ a: 1, d: 4 }),
      row({ a: 1, c: 3, d: 4 }),
      row({ a: 1, b: 2, c: 3, d: 4 }),
      '{"features": {"a": NaN, "c": 1}, "probability": 0.1}',
    ]
    const { readSample } = await import('../../../../src/releases/init/sampleRows.js')
    const sample = readSample(lines.join('\n'), true)
    expect(sample.columns).toEqual(['a', 'b', 'c', 'd'])
    expect(sample.rows[3]?.cells).toEqual({ a: null, c: 1 })
  })

  it.each<[string, string, string, Partial<InitOptions>, RegExp]>([
    ['no column of probabilities', 'one-column.onnx', 'a,b,c\n1,2,0.5', {}, /no column of probabilities.*--probability/],
    ['a probability that is none', 'one-column.onnx', 'a,b,p\n1,2,7', {}, /Row 1 of the rows file has no probability/],
    [
      'a cell without a probability',
      'one-column.onnx',
      'a,b,p\n1,2,0.5\n1,2,',
      {},
      /^Row 2 of the rows file has no probability\.$/,
    ],
    ...['null', 'true', '""', '[0]'].map((value): [string, string, string, Partial<InitOptions>, RegExp] => [
      `the probability ${value}`,
      'one-column.onnx',
      `{"features": {"a": 1, "b": 2}, "probability": ${value}}`,
      { rowsFile: 'rows.jsonl' },
      /^Row 1 of the rows file has no probability\.$/,
    ]),
    ['no rows', 'one-column.onnx', '\n', { rowsFile: 'rows.jsonl' }, /holds no rows/],
    [
      'more columns than the graph takes',
      'one-column.onnx',
      'a,b,c,p\n1,2,3,0.5',
      {},
      /takes 2 features, and the rows file has 3: a, b, c.*--drop/,
    ],
    [
      'codes of a column that is not there',
      'one-column.onnx',
      'a,home,p\n1,rent,0.5',
      { codes: new Map([['hom', ['rent']]]) },
      /^--codes hom: the model takes no such column of the rows file\. It takes a, home\.$/,
    ],
    [
      'codes that lack categories',
      'one-column.onnx',
      'a,home,p\n1,rent,0.5\n1,owner,0.5\n1,,0.5\n1,other,0.5',
      { codes: new Map([['home', ['rent', 'parents']]]) },
      /^--codes home: name all categories\. The rows also have owner, other\.$/,
    ],
    [
      'a column to drop that is not there',
      'one-column.onnx',
      'a,b,p\n1,2,0.5',
      { drop: ['z'] },
      /--drop z: the rows file has no such column/,
    ],
    [
      'a graph that can never answer',
      'fixed-eight.onnx',
      'a,b,p\n1,2,0.5',
      {},
      /answers none of the rows: its input features takes exactly 8/,
    ],
    ['a graph of newer operators', 'new-opset.onnx', 'a,b,p\n1,2,0.5', {}, /cannot be loaded: it uses operators of opset 28/],
    ['lines that are no rows', 'one-column.onnx', '{"a": 1}', { rowsFile: 'rows.jsonl' }, /Line 1 of the rows file is not/],
  ])('is not made from %s', async (_what, file, rows, options, says) => {
    await expect(init(join(FIXTURES, file), rows, options)).rejects.toThrow(says)
    expect(await readdir(directory)).not.toContain('models')
  })

  it.each<[string, Partial<InitOptions>, RegExp]>([
    ['a model that lead out of the models folder', { name: '../evil' }, /^\.\.\/evil is no kebab-case name of a model.*--name/],
    ['a model that no contract may have', { name: 'Bad Name' }, /^Bad Name is no kebab-case name/],
    ['a version that lead out of it', { version: '../../x' }, /^\.\.\/\.\.\/x is no name of a version.*--model-version/],
  ])('refuses names of %s before it writes', async (_what, names, says) => {
    await expect(init(join(FIXTURES, 'one-column.onnx'), 'a,b,p\n1,2,0.5', names)).rejects.toThrow(says)
    expect(await readdir(directory)).toEqual(['rows.csv'])
  })

  it('is not made from a graph whose tensors are outside of its folder', async () => {
    const file = join(directory, 'escaping.onnx')
    const graph = await readFile(join(FIXTURES, 'external.onnx'))
    const at = graph.indexOf('external.onnx.data')
    graph.write('../external.onnx.d', at)
    await writeFile(file, graph)
    await cp(join(FIXTURES, 'external.onnx.data'), join(directory, 'external.onnx.data'))
    await expect(init(file, 'a,b,p\n1,2,0.5')).rejects.toThrow('its tensors are in ../external.onnx.d, outside of its folder')
  })
})
