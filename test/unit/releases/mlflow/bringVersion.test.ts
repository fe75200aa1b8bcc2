import { createHash } from 'node:crypto'
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ArtifactCache } from '../../../../src/releases/mlflow/artifactCache.js'
import { type BringOptions, bringVersion } from '../../../../src/releases/mlflow/bringVersion.js'
import { csvOfExample } from '../../../../src/releases/mlflow/inputExample.js'
import { championOf } from '../../../support/folderReleases.js'
import { filesIn } from '../../../support/mlflowServer.js'

const BUNDLED = new URL('../../../../models/consumer-credit/', import.meta.url).pathname
const FIXTURES = new URL('../../../fixtures/onnx/', import.meta.url).pathname
type Files = Record<string, Uint8Array | string>

// The graph double.onnx computes this from its two features.
const rule = (amount: number, count: number) => 1 / (1 + Math.exp(-(0.5 * amount - 0.25 * count + 0.125)))
const POINTS = Array.from({ length: 40 }, (_, i) => [i / 4 - 3, (i * 7) % 11] as const)
const csvOf = (header: string) => [header, ...POINTS.map(([a, c]) => [a, c, rule(a, c)].join(','))].join('\n')

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-bring-'))
})
afterEach(() => rm(directory, { recursive: true }))
const models = () => join(directory, 'models')
const made = (...path: string[]) => join(models(), ...path)

/** Brings a version with these files, as they were downloaded. */
async function bring(files: Files, options: Partial<BringOptions> = {}, name = 'Loans made') {
  const cache = new ArtifactCache(join(directory, 'cache'))
  const kept = Object.entries(files).map(async ([path, content]) => ({ path, ...(await cache.keep(piecesOf(content))) }))
  const version = { name, version: '7', source: 'models:/m-1', files: await Promise.all(kept) }
  const brought = bringVersion(version, cache, { directory: models(), drop: [], codes: new Map(), ...options })
  // Nothing is left to work in, whatever became of it.
  await brought.catch(() => {})
  expect(readdirSync(join(directory, 'cache', 'partial'))).toEqual([])
  return brought
}

async function* piecesOf(content: Uint8Array | string) {
  yield Buffer.from(content)
}

/** Large files are slow to compare byte by byte. */
function digestsOf(folder: string): Record<string, string> {
  const digest = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')
  return Object.fromEntries(Object.entries(filesIn(folder)).map(([name, content]) => [name, digest(content)]))
}

const bundleOf = (version: string, below = ''): Files => ({
  ...filesIn(join(BUNDLED, version), below),
  [`${below}contract.json`]: readFileSync(join(BUNDLED, 'contract.json')),
})

describe('a bundle', () => {
  it.each(['', 'riskgate/', 'extra_files/'])('in %j becomes the version as it is, and serves', async below => {
    const files = { MLmodel: 'flavors: {}\n', 'conda.yaml': '', ...bundleOf('2', below) }
    const brought = await bring(files, {}, 'consumer-credit')
    expect(brought).toMatchObject({ name: 'consumer-credit', version: '2', isNewModel: true, isNewVersion: true })
    expect(digestsOf(made('consumer-credit', '2'))).toEqual(digestsOf(join(BUNDLED, '2')))
    expect(readdirSync(made('consumer-credit')).sort()).toEqual(['2', 'champion', 'contract.json'])
    expect(readFileSync(made('consumer-credit', 'contract.json'))).toEqual(readFileSync(join(BUNDLED, 'contract.json')))
    // One check of all its golden rows is enough.
    if (below === '') expect(await championOf(models(), 'consumer-credit')).toBeDefined()
  })

  it('of a model that is there leaves its contract and its champion alone, and needs no contract of its own', async () => {
    cpSync(BUNDLED, made('consumer-credit'), { recursive: true })
    rmSync(made('consumer-credit', '1'), { recursive: true })
    const { 'contract.json': _, ...files } = bundleOf('1')
    expect(await bring(files)).toMatchObject({ version: '1', isNewModel: false, isNewVersion: true })
    expect(digestsOf(made('consumer-credit', '1'))).toEqual(digestsOf(join(BUNDLED, '1')))
    expect(readFileSync(made('consumer-credit', 'champion'), 'utf8').trim()).toBe('2')
    expect(await bring(files)).toMatchObject({ isNewVersion: false })
  })

  it('never changes a version that is there', async () => {
    cpSync(BUNDLED, made('consumer-credit'), { recursive: true })
    const changed = { ...bundleOf('2'), 'MODEL_CARD.md': 'better' }
    await expect(bring(changed)).rejects.toThrow('2/MODEL_CARD.md differs from that of MLflow.')
    expect(digestsOf(made('consumer-credit', '2'))).toEqual(digestsOf(join(BUNDLED, '2')))
  })

  it.each<[string, (files: Files) => Files, string]>([
    ['no contract, where the model is new', ({ 'contract.json': _, ...files }) => files, 'has no contract.json'],
    [
      'a contract of another model',
      files => edited(files, 'contract.json', /"consumer-credit"/, '"other"'),
      'the contract of other',
    ],
    [
      'a name that leads out',
      files => edited(files, 'manifest.json', /"consumer-credit"/, '"../../out"'),
      'is of the model ../../out',
    ],
    [
      'a version that leads out',
      files => edited(files, 'manifest.json', /"version": "2"/, '"version": "../2"'),
      'must be a short name',
    ],
    [
      'a graph that leads out',
      files => edited(files, 'manifest.json', /"model.onnx"/, '"../model.onnx"'),
      'must be a file beside',
    ],
    ['no JSON', files => ({ ...files, 'manifest.json': '{' }), 'manifest.json is not JSON'],
  ])('is refused with %s', async (_what, change, says) => {
    await expect(bring(change(bundleOf('2')))).rejects.toThrow(says)
    expect(readdirSync(directory)).toEqual(['cache'])
  })

  it.each<[string, RegExp, string, string]>([
    ['another name', /"time"/, '"term"', 'feature 3 is term (INTEGER) in the version, and time (INTEGER) in the model'],
    ['another kind', /"INTEGER"/, '"NUMBER"', 'feature 1 is seniority (NUMBER) in the version, and seniority (INTEGER)'],
  ])('is refused where its contract has %s than that of the model', async (_what, from, to, says) => {
    cpSync(BUNDLED, made('consumer-credit'), { recursive: true })
    rmSync(made('consumer-credit', '1'), { recursive: true })
    await expect(bring(edited(bundleOf('1'), 'contract.json', from, to))).rejects.toThrow(says)
    expect(readdirSync(made('consumer-credit')).sort()).toEqual(['2', 'champion', 'contract.json'])
  })

  it('does not belong to a model outside of the models folder', async () => {
    cpSync(BUNDLED, join(directory, 'consumer-credit'), { recursive: true })
    const { 'contract.json': _, ...files } = edited(bundleOf('2'), 'manifest.json', /"consumer-credit"/, '"../consumer-credit"')
    await expect(bring(files)).rejects.toThrow('has no contract.json, and the models folder has no model ../consumer-credit')
  })

  it('is taken without what is a folder in place of a file', async () => {
    const { 'MODEL_CARD.md': _, ...files } = bundleOf('2')
    await bring({ ...files, 'MODEL_CARD.md/evil': 'x' })
    expect(readdirSync(made('consumer-credit', '2')).sort()).toEqual(['golden.jsonl', 'manifest.json', 'model.onnx'])
  })

  it('says that it knows its rows and its name', async () => {
    await expect(bring(bundleOf('2'), { rowsFile: 'rows.csv' })).rejects.toThrow('leave --rows out')
    await expect(bring(bundleOf('2'), { name: 'other' })).rejects.toThrow('is the bundle consumer-credit/2, and keeps its name')
  })
})

function edited(files: Files, name: string, from: RegExp, to: string): Files {
  const text = String(files[name])
  expect(text).toMatch(from)
  return { ...files, [name]: text.replace(from, to) }
}

const column = (name: string, type = 'double') => ({ name, type, required: true })
const tensor = (width: number, name?: string) => ({
  ...(name && { name }),
  type: 'tensor',
  'tensor-spec': { dtype: 'float64', shape: [-1, width] },
})

/** The folder of an onnx flavour, with the form of MLmodel that MLflow 3.17 writes. */
function flavour(signature: readonly object[] | undefined, more: Files = {}, example = false): Files {
  const mlmodel = [
    'flavors:',
    '  onnx:',
    '    code: null',
    '    data: model.onnx',
    '  python_function:',
    '    loader_module: mlflow.onnx',
    ...(example ? ['saved_input_example_info:', '  artifact_path: input_example.json', '  type: dataframe'] : []),
    ...(signature ? ['signature:', `  inputs: '${JSON.stringify(signature)}'`, '  params: null'] : []),
  ]
  const graph = readFileSync(join(FIXTURES, 'double.onnx'))
  return { MLmodel: `${mlmodel.join('\n')}\n`, 'model.onnx': graph, 'requirements.txt': 'onnx\n', ...more }
}

describe('a folder of the onnx flavour', () => {
  const rowsFile = (header = 'AMOUNT,COUNT OF LOANS,probability') => {
    const file = join(directory, 'given.csv')
    writeFileSync(file, csvOf(header))
    return file
  }

  it('becomes a version by model init, with names and numbers of MLflow', async () => {
    const brought = await bring(flavour([tensor(2)]), { rowsFile: rowsFile() })
    expect(brought).toMatchObject({
      name: 'loans-made',
      version: '7',
      isNewModel: true,
      initialised: { features: 2, goldenRows: 40 },
    })
    expect(readdirSync(made('loans-made', '7')).sort()).toEqual(['golden.jsonl', 'manifest.json', 'model.onnx'])
    const champion = await championOf(models(), 'loans-made')
    expect((await champion?.score({ amount: 2, countOfLoans: 1 }))?.probability).toBeCloseTo(rule(2, 1), 12)
  })

  it('has the columns in the order of its signature, whatever the rows have', async () => {
    const rows = join(directory, 'given.csv')
    const lines = POINTS.map(([a, c]) => [c, 'x', rule(a, c), a].join(','))
    writeFileSync(rows, ['count_of_loans,id,probability,AMOUNT', ...lines].join('\n'))
    const { initialised } = await bring(flavour([column('AMOUNT'), column('COUNT OF LOANS')]), { rowsFile: rows })
    expect(initialised?.deviation).toBeLessThan(1e-12)
    const champion = await championOf(models(), 'loans-made')
    expect((await champion?.score({ amount: 2, countOfLoans: 1 }))?.probability).toBeCloseTo(rule(2, 1), 12)
  })

  it.each<[string, Files]>([
    ['rows.csv that was logged with it', { 'extra_files/rows.csv': csvOf('AMOUNT,COUNT,pd') }],
    [
      'golden.jsonl that was logged with it',
      {
        'golden.jsonl': POINTS.map(([amount, count]) =>
          JSON.stringify({ features: { amount, count }, probability: rule(amount, count) }),
        ).join('\n'),
      },
    ],
    [
      'an input example with probabilities',
      {
        'input_example.json': JSON.stringify({
          columns: ['amount', 'count', 'probability'],
          data: POINTS.map(([a, c]) => [a, c, rule(a, c)]),
        }),
      },
    ],
  ])('takes %s', async (_what, files) => {
    const { initialised } = await bring(flavour([column('amount'), column('count')], files, true))
    expect(initialised).toMatchObject({ features: 2, goldenRows: 40 })
  })

  it.each<[string, Files, string]>([
    ['no rows', {}, 'Give them with --rows'],
    [
      'an input example of inputs alone',
      { 'input_example.json': '{"columns":["amount","count"],"data":[[1,2],[3,NaN]]}' },
      'Give them with --rows',
    ],
    ['an input example that is no table', { 'input_example.json': '{"inputs":[[1,2]]}' }, 'Give them with --rows'],
  ])('is refused with %s', async (_what, files, says) => {
    await expect(bring(flavour([column('amount'), column('count')], files, true))).rejects.toThrow(says)
  })

  it('says which column of its signature the rows lack', async () => {
    const given = { rowsFile: rowsFile() }
    await expect(bring(flavour([column('AMOUNT'), column('income')]), given)).rejects.toThrow('takes the column income')
  })

  it.each<[string, readonly object[], string]>([
    [
      'other names',
      [column('amount'), column('income')],
      'lacks the feature countOfLoans of the contract; the contract has no feature income',
    ],
    ['a column more', [column('amount'), column('countOfLoans'), column('x')], 'the contract has no feature x'],
    [
      'another type',
      [column('amount', 'string'), column('countOfLoans')],
      'amount is string in the signature, which does not fit NUMBER',
    ],
    ['a Boolean', [column('amount'), column('countOfLoans', 'boolean')], 'countOfLoans is boolean in the signature'],
    ['a type that no feature has', [column('amount', 'datetime'), column('countOfLoans')], 'amount is datetime'],
    [
      'another order',
      [column('countOfLoans'), column('amount')],
      'column 1 is countOfLoans in the signature and amount in the contract',
    ],
    ['another width', [tensor(3)], 'the signature takes 3 features, and the contract has 2'],
  ])('is refused where the contract of the model has %s than its signature', async (_what, signature, says) => {
    await bring(flavour(undefined), { rowsFile: rowsFile() })
    const later = { rowsFile: rowsFile(), version: '8' }
    await expect(bring(flavour(signature), later)).rejects.toThrow(says)
    expect(readdirSync(made('loans-made'))).not.toContain('8')
  })

  it.each<[string, readonly object[] | undefined]>([
    ['the same names in the same order', [column('AMOUNT'), column('count_of_loans', 'long')]],
    ['a tensor as wide', [tensor(2)]],
    ['a tensor of any width', [tensor(-1)]],
    ['one tensor a feature', [tensor(1, 'amount'), tensor(1, 'countOfLoans')]],
    ['no signature', undefined],
  ])('is a later version of a model with %s', async (_what, signature) => {
    await bring(flavour(undefined), { rowsFile: rowsFile() })
    expect(await bring(flavour(signature), { rowsFile: rowsFile(), version: '8' })).toMatchObject({
      version: '8',
      isNewModel: false,
    })
    expect(readFileSync(made('loans-made', 'champion'), 'utf8')).toBe('7\n')
  })

  it.each<[string, string, string]>([
    ['no onnx flavour', 'flavors:\n  lightgbm: {}\n  python_function: {}\n', 'no onnx flavour (lightgbm, python_function)'],
    ['a graph elsewhere', 'flavors:\n  onnx:\n    data: ../../etc/passwd\n', 'must be a path in the folder'],
    ['a graph at the root', 'flavors:\n  onnx:\n    data: /etc/passwd\n', 'must be a path in the folder'],
    ['a signature that is no JSON', "flavors:\n  onnx: {}\nsignature:\n  inputs: '[{'\n", 'signature.inputs must be JSON'],
    ['text that is no YAML', 'a: [', 'not YAML'],
    ['aliases', 'a: &a [1]\nb: [*a, *a]\nflavors:\n  onnx: {}\n', 'not YAML that riskgate reads'],
    ['nothing in it', '', 'cannot be understood'],
  ])('is refused where MLmodel has %s', async (_what, MLmodel, says) => {
    await expect(bring({ ...flavour(undefined), MLmodel }, { rowsFile: rowsFile() })).rejects.toThrow(says)
  })

  it('is refused where it holds neither a bundle nor MLmodel, or a name that no model has', async () => {
    await expect(bring({ 'model.pkl': 'x' })).rejects.toThrow('neither a bundle (manifest.json) nor an MLmodel file')
    for (const name of ['../out', 'Loans', '']) {
      await expect(bring(flavour(undefined), { rowsFile: rowsFile(), name })).rejects.toThrow('no kebab-case name')
    }
    await expect(bring(flavour(undefined), { rowsFile: rowsFile(), version: '../8' })).rejects.toThrow('no name of a version')
  })
})

it('an input example is read as MLflow writes it: missing values, quotation marks, texts and Booleans', () => {
  const example = '{"columns": ["a", "b\\"c"], "data": [[1.5, "x, \\"y\\""], [NaN, null], [-3, true], ["NaN, ", NaN]]}'
  expect(csvOfExample(example)).toBe('"a","b""c"\n"1.5","x, ""y"""\n,\n"-3","true"\n"NaN, ",\n')
  for (const other of ['{"columns":["a"],"data":[[1,2]]}', '[[1]]', 'NaN', '']) expect(csvOfExample(other)).toBeUndefined()
})
