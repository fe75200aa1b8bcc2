import { execFileSync } from 'node:child_process'
import { appendFile, cp, mkdir, mkdtemp, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../../../../src/errors.js'
import { loadContracts } from '../../../../src/releases/files/modelFolders.js'
import type { CheckedModel } from '../../../../src/releases/folder/checkFolder.js'
import { scanModels } from '../../../../src/releases/folder/scanModels.js'
import type { ModelManifest } from '../../../../src/scoring/manifest.js'
import { goldenRows } from '../../../support/applicants.js'
import { championOf, checkModelsOf } from '../../../support/folderReleases.js'
import { present } from '../../../support/process.js'

const BUNDLED = fileURLToPath(new URL('../../../../models', import.meta.url))
const MODEL = 'consumer-credit'

describe('a models folder', () => {
  let directory: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-models-'))
    await cp(BUNDLED, directory, { recursive: true })
    // Enough rows for each edge: reading all of them each time takes longer than the tests.
    const golden = (await readFile(file('2', 'golden.jsonl'), 'utf8')).split('\n')
    await writeFile(file('2', 'golden.jsonl'), golden.slice(0, 400).join('\n'))
  })
  afterEach(() => rm(directory, { recursive: true }))

  const file = (...path: string[]) => join(directory, MODEL, ...path)
  async function model(): Promise<CheckedModel> {
    return present((await checkModelsOf(directory)).find(({ name }) => name === MODEL))
  }

  /** The problems of all its models. */
  const problems = async () => (await checkModelsOf(directory)).flatMap(({ problems }) => problems)

  async function stages(): Promise<Record<string, string>> {
    return Object.fromEntries((await model()).versions.map(({ version, stage }) => [version, stage]))
  }

  async function problemsOf(name: string): Promise<readonly string[] | undefined> {
    return (await model()).versions.find(({ version }) => version === name)?.problems
  }

  const refusal = () =>
    scanModels(directory).then(
      () => undefined,
      (reason: unknown) => (reason instanceof ConfigError ? reason.problems : reason),
    )

  async function changeManifest(version: string, change: (manifest: ModelManifest) => unknown): Promise<void> {
    const manifest = JSON.parse(await readFile(file(version, 'manifest.json'), 'utf8')) as ModelManifest
    change(manifest)
    await writeFile(file(version, 'manifest.json'), JSON.stringify(manifest))
  }

  /** Another model of the same files. */
  async function copyModel(name: string, inputField: string): Promise<void> {
    await cp(file(), join(directory, name), { recursive: true })
    const contract = JSON.parse(await readFile(file('contract.json'), 'utf8'))
    await writeFile(join(directory, name, 'contract.json'), JSON.stringify({ ...contract, name, inputField }))
    for (const version of ['1', '2']) {
      const path = join(directory, name, version, 'manifest.json')
      await writeFile(path, JSON.stringify({ ...JSON.parse(await readFile(path, 'utf8')), model: name }))
    }
  }

  /** A pipe in the place of a file: reading it would never end. */
  async function pipe(path: string): Promise<void> {
    await rm(path)
    execFileSync('mkfifo', [path])
  }

  /** A link to itself: a file that is there and cannot be looked at, also by root. */
  async function loop(path: string): Promise<void> {
    await rm(path)
    await symlink(path, path)
  }

  async function inLatin1(path: string): Promise<void> {
    await writeFile(path, Buffer.from(await readFile(path, 'utf8'), 'latin1'))
  }

  it('serves the version that the champion file names, with or without a line end or a byte order mark', async () => {
    expect(await stages()).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION' })
    await writeFile(file('champion'), '\uFEFF1\r\n')
    expect(await stages()).toEqual({ 1: 'CHAMPION', 2: 'CANDIDATE' })
  })

  it.each(['1', '2'])("scores the golden rows of version %s within 1e-5 of the model's own library", async version => {
    await writeFile(file('champion'), version)
    const release = await championOf(directory, MODEL)
    const rows = goldenRows(version)
    expect(rows.length).toBeGreaterThanOrEqual(200)
    const scores = await Promise.all(rows.map(({ features }) => release?.score(features)))
    const worst = Math.max(...rows.map(({ probability }, i) => Math.abs(probability - (scores[i]?.probability ?? Number.NaN))))
    expect(worst).toBeLessThan(1e-5)
  })

  describe('with a version that fails its checks', () => {
    const failures: [string, () => Promise<unknown>, string | RegExp][] = [
      [
        'a wrong digest',
        () => appendFile(file('1', 'model.onnx'), 'x'),
        /1\/model\.onnx does not have the SHA-256 of its manifest/,
      ],
      ['no graph', () => rm(file('1', 'model.onnx')), /1\/model\.onnx is missing/],
      [
        'a feature that the contract does not have',
        () => changeManifest('1', ({ onnx }) => Object.assign(onnx.inputs[0]?.columns[0] ?? {}, { feature: 'age' })),
        /1\/manifest\.json does not fit the contract: .*column age: the contract has no such feature/,
      ],
      [
        'the manifest of another model',
        () => changeManifest('1', manifest => Object.assign(manifest, { model: 'mortgage' })),
        /a version of mortgage, not of consumer-credit/,
      ],
      [
        'an output that the graph does not have',
        () => changeManifest('1', ({ onnx }) => Object.assign(onnx.output, { name: 'score' })),
        /it has no output score; its outputs are output_label, output_probability/,
      ],
      [
        'the name of another folder',
        () => changeManifest('1', manifest => Object.assign(manifest, { version: '2' })),
        /1\/manifest\.json: version must be "1", like its folder/,
      ],
      ['a manifest that is not JSON', () => writeFile(file('1', 'manifest.json'), '{"a": '), /1\/manifest\.json is not JSON/],
      ['a manifest of another form', () => writeFile(file('1', 'manifest.json'), '{}'), /1\/manifest\.json: model /],
      [
        'a golden row of another form',
        () => appendFile(file('1', 'golden.jsonl'), '{"features": 1}\n'),
        /golden\.jsonl, line 285: it must/,
      ],
      [
        'a golden row that is not JSON',
        () => appendFile(file('1', 'golden.jsonl'), '{"features": \n'),
        /line 285: it is not JSON/,
      ],
      [
        'a golden row with an unknown feature',
        () => appendFile(file('1', 'golden.jsonl'), '{"features": {"age": 1}, "probability": 0.5}\n'),
        /line 285: the contract has no feature age/,
      ],
      [
        'a golden row that the contract refuses',
        () => appendFile(file('1', 'golden.jsonl'), '{"features": {"seniority": 61}, "probability": 0.5}\n'),
        /line 285: seniority must be at most 60/,
      ],
      [
        'the column of the other class',
        () => changeManifest('1', ({ onnx }) => Object.assign(onnx.output, { column: 0 })),
        /284 of 284 golden rows have another probability .* expected \S+, got 1;/,
      ],
      [
        'a column that the graph does not have',
        () => changeManifest('1', ({ onnx }) => Object.assign(onnx.output, { column: 2 })),
        /column 2/,
      ],
      [
        'the label as output',
        () => changeManifest('1', ({ onnx }) => Object.assign(onnx.output, { name: 'output_label' })),
        /output_label is int64/,
      ],
      [
        'swapped columns',
        () =>
          changeManifest('1', ({ onnx }) => {
            const [income, price] = ['income', 'price'].map(name =>
              onnx.inputs.find(({ columns }) => columns[0]?.feature === name),
            )
            if (income && price) [income.columns, price.columns] = [price.columns, income.columns]
          }),
        /golden rows have another probability/,
      ],
    ]

    it.each(failures)('(%s) rejects it as a candidate, says why, and lets its neighbour serve', async (_kind, spoil, says) => {
      await spoil()
      expect(await model()).toMatchObject({
        problems: [],
        versions: [
          { version: '2', stage: 'CHAMPION', problems: [] },
          { version: '1', stage: 'REJECTED', problems: expect.arrayContaining([expect.stringMatching(says)]) },
        ],
      })
    })

    it.each(failures)('(%s) is refused if it is the champion of the only model', async (_kind, spoil, says) => {
      await writeFile(file('champion'), '1')
      await spoil()
      expect(await problems()).toEqual(expect.arrayContaining([expect.stringMatching(says)]))
    })

    it.each(failures.filter((_, i) => i % 4 === 0))('(%s) as a champion takes no other model out', async (_kind, spoil, says) => {
      await copyModel('mortgage', 'mortgage')
      await writeFile(file('champion'), '1')
      await spoil()
      expect(await checkModelsOf(directory)).toMatchObject([
        {
          name: MODEL,
          problems: expect.arrayContaining([expect.stringMatching(says)]),
          versions: [{ version: '1', stage: 'REJECTED' }, { version: '2' }],
        },
        { name: 'mortgage', problems: [] },
      ])
    })
  })

  it.each(['golden.jsonl removed', 'golden.jsonl empty'])(
    'rejects a champion without golden rows (%s), not a candidate',
    async kind => {
      for (const version of ['1', '2']) {
        await (kind.endsWith('empty') ? writeFile(file(version, 'golden.jsonl'), '\n') : rm(file(version, 'golden.jsonl')))
      }
      expect(await problems()).toContainEqual(
        expect.stringContaining('consumer-credit/2/golden.jsonl: a champion needs golden rows'),
      )
      await copyModel('mortgage', 'mortgage')
      await cp(join(BUNDLED, MODEL, '2', 'golden.jsonl'), join(directory, 'mortgage', '2', 'golden.jsonl'))
      expect((await model()).versions).toMatchObject([
        { version: '2', stage: 'REJECTED' },
        { version: '1', stage: 'CANDIDATE', warnings: [expect.stringContaining('a champion needs golden rows')] },
      ])
    },
  )

  it('asks for golden rows at the edges of the contract that none of them reaches', async () => {
    const rows = (await readFile(file('2', 'golden.jsonl'), 'utf8')).split('\n')
    await writeFile(file('2', 'golden.jsonl'), rows.slice(0, 5).join('\n'))
    const { versions } = await model()
    expect(versions.map(({ stage }) => stage)).toEqual(['CHAMPION', 'CANDIDATE'])
    expect(versions[0]?.warnings[0]).toMatch(
      /^consumer-credit\/2\/golden\.jsonl: it should also have rows with .*seniority = 60.* and \d+ more\.$/,
    )
  })

  it('rejects a version whose graph gives no probability for an application that the contract allows', async () => {
    const contract = JSON.parse(await readFile(file('contract.json'), 'utf8'))
    const seniority = contract.features.find(({ name }: { name: string }) => name === 'seniority')
    await writeFile(
      file('contract.json'),
      JSON.stringify({
        ...contract,
        features: contract.features.map((feature: object) =>
          feature === seniority ? { ...seniority, required: false } : feature,
        ),
      }),
    )
    expect(await problemsOf('1')).toEqual([expect.stringMatching(/seniority missing \(it answers NaN\)/)])
  })

  it.each(['3', 'next.1'])('is refused if the champion file names no version: "%s"', async version => {
    await writeFile(file('champion'), version)
    expect(await problems()).toContainEqual(`${MODEL}/${version}/manifest.json is missing.`)
  })

  it.each([
    ['is a pipe', pipe, 'is not a file.'],
    ['cannot be opened', loop, 'cannot be read (ELOOP).'],
  ])('is refused if the champion file %s', async (_what, spoil, says) => {
    await spoil(file('champion'))
    expect(await problems()).toContainEqual(`${MODEL}/champion ${says}`)
  })

  it.each([
    ['golden.jsonl', 'golden.jsonl is not a file.'],
    ['model.onnx', 'model.onnx is not a file.'],
    ['manifest.json', 'manifest.json is not a file.'],
  ])('rejects a version whose %s is a pipe', async (name, says) => {
    await pipe(file('1', name))
    expect(await problemsOf('1')).toEqual([`${MODEL}/1/${says}`])
  })

  it.each(['', '../2', '2/../2', 'no such'])(
    'is refused if the champion file names nothing that can be a version: "%s"',
    async version => {
      await writeFile(file('champion'), version)
      expect(await problems()).toContainEqual(`${MODEL}/champion must name the version that serves.`)
      await rm(file('champion'))
      expect(await problems()).toContainEqual(`${MODEL}/champion is missing.`)
    },
  )

  it('passes over folders that hold no model and no version, and follows links', async () => {
    await mkdir(join(directory, 'notebooks'))
    await mkdir(file('plots'))
    await rename(file('1'), join(directory, 'notebooks', '1'))
    await symlink(join(directory, 'notebooks', '1'), file('1'))
    expect(await stages()).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION' })
    expect((await scanModels(directory)).strays).toEqual(['notebooks', 'consumer-credit/plots'])
  })

  describe('with a contract that is wrong', () => {
    it.each([
      ['is not JSON', () => writeFile(file('contract.json'), '{"name": '), 'consumer-credit/contract.json is not JSON.'],
      ['is a pipe', () => pipe(file('contract.json')), 'consumer-credit/contract.json is not a file.'],
      ['is not UTF-8', () => inLatin1(file('contract.json')), 'consumer-credit/contract.json is not UTF-8. Save it as UTF-8.'],
      ['cannot be opened', () => loop(file('contract.json')), 'consumer-credit/contract.json cannot be read (ELOOP).'],
      ['is missing', () => rm(file('contract.json')), 'consumer-credit/contract.json is missing.'],
      [
        'has the name of another folder',
        () => cp(join(directory, 'mortgage', 'contract.json'), file('contract.json')),
        'consumer-credit/contract.json: name must be "consumer-credit", like its folder.',
      ],
    ])('(it %s) takes only that model out', async (_kind, spoil, problem) => {
      await copyModel('mortgage', 'mortgage')
      await spoil()
      expect(await checkModelsOf(directory)).toMatchObject([
        { name: MODEL, contract: undefined, versions: [], problems: [problem] },
        { name: 'mortgage', problems: [] },
      ])
    })

    it('takes both models out where two have the same inputField, and says so of both', async () => {
      await copyModel('mortgage', 'consumerCredit')
      expect(await problems()).toEqual([
        'consumer-credit/contract.json: the inputField consumerCredit is also that of mortgage; give each model its own.',
        'mortgage/contract.json: the inputField consumerCredit is also that of consumer-credit; give each model its own.',
      ])
    })

    it('leaves the inputField to the model with a champion where the other has none', async () => {
      await copyModel('mortgage', 'consumerCredit')
      await rm(join(directory, 'mortgage', 'champion'))
      expect(await checkModelsOf(directory)).toMatchObject([
        { name: MODEL, problems: [] },
        { name: 'mortgage', versions: [], problems: [expect.stringContaining('the inputField consumerCredit is also that')] },
      ])
    })

    it('names every problem of it', async () => {
      await writeFile(file('contract.json'), JSON.stringify({ name: 'X', inputField: 'X', description: {}, features: [] }))
      const found = await problems()
      expect(found.length).toBeGreaterThanOrEqual(4)
      for (const problem of found) expect(problem.startsWith('consumer-credit/contract.json: ')).toBe(true)
    })
  })

  it('is refused if it is empty or does not exist', async () => {
    await rm(file(), { recursive: true })
    expect(await refusal()).toEqual([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
    directory = join(directory, 'nowhere')
    expect(await refusal()).toEqual([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
    directory = join(directory, '..')
  })

  it('names the problems of all its models at once', async () => {
    await copyModel('mortgage', 'mortgage')
    await writeFile(file('contract.json'), 'x')
    await writeFile(join(directory, 'mortgage', 'contract.json'), 'x')
    expect(await problems()).toHaveLength(2)
  })

  it('can give only its contracts, for the schema, unless one is wrong', async () => {
    expect((await loadContracts(directory)).map(({ name }) => name)).toEqual([MODEL])
    await copyModel('mortgage', 'mortgage')
    await writeFile(file('contract.json'), 'x')
    await expect(loadContracts(directory)).rejects.toThrow('consumer-credit/contract.json is not JSON.')
  })
})
