import { appendFile, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ConfigError } from '../../../src/errors.js'
import { loadModelFolder } from '../../../src/releases/folderSource.js'
import { loadContracts } from '../../../src/releases/modelFiles.js'
import type { ModelManifest } from '../../../src/scoring/manifest.js'
import { goldenRows } from '../../support/applicants.js'

const BUNDLED = fileURLToPath(new URL('../../../models', import.meta.url))
const MODEL = 'consumer-credit'

describe('a models folder', () => {
  let directory: string
  let warnings: Record<string, unknown>[]
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-models-'))
    await cp(BUNDLED, directory, { recursive: true })
    warnings = []
  })
  afterEach(() => rm(directory, { recursive: true }))

  const file = (...path: string[]) => join(directory, MODEL, ...path)
  const load = () => loadModelFolder({ directory, observeScoring: () => {}, warn: (_message, fields) => warnings.push(fields) })

  async function problems(): Promise<readonly string[]> {
    const error = await load().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    expect(error).toBeInstanceOf(ConfigError)
    return (error as ConfigError).problems
  }

  async function stages(): Promise<Record<string, string>> {
    const [model] = (await load()).models
    return Object.fromEntries(model?.versions.map(({ manifest, stage }) => [manifest.version, stage]) ?? [])
  }

  async function changeManifest(version: string, change: (manifest: ModelManifest) => unknown): Promise<void> {
    const manifest = JSON.parse(await readFile(file(version, 'manifest.json'), 'utf8')) as ModelManifest
    change(manifest)
    await writeFile(file(version, 'manifest.json'), JSON.stringify(manifest))
  }

  it('serves the version that the champion file names, with or without a line end', async () => {
    expect(await stages()).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION' })
    await writeFile(file('champion'), '1\r\n')
    expect(await stages()).toEqual({ 1: 'CHAMPION', 2: 'CANDIDATE' })
    expect(warnings).toEqual([])
  })

  it.each(['1', '2'])("scores the golden rows of version %s within 1e-5 of the model's own library", async version => {
    await writeFile(file('champion'), version)
    const release = (await load()).serving(MODEL, 'a')
    const rows = goldenRows(version)
    expect(rows.length).toBeGreaterThanOrEqual(200)
    const scores = await Promise.all(rows.map(({ features }) => release.score(features)))
    const worst = Math.max(...rows.map(({ probability }, i) => Math.abs(probability - (scores[i]?.probability ?? Number.NaN))))
    expect(worst).toBeLessThan(1e-5)
  })

  it('is refused, and the file named, if the champion has not the digest of its manifest', async () => {
    await appendFile(file('2', 'model.onnx'), 'x')
    expect(await problems()).toEqual([
      `${file('2', 'model.onnx')} does not have the SHA-256 of its manifest. Copy the version again, or correct its manifest.`,
    ])
  })

  it('rejects another version with the wrong digest, warns, and still serves the champion', async () => {
    await appendFile(file('1', 'model.onnx'), 'x')
    expect(await stages()).toEqual({ 1: 'REJECTED', 2: 'CHAMPION' })
    expect(warnings).toEqual([{ model: MODEL, problem: expect.stringContaining(file('1', 'model.onnx')) }])
  })

  it('rejects another version whose file is missing, and still serves the champion', async () => {
    await rm(file('1', 'model.onnx'))
    expect(await stages()).toEqual({ 1: 'REJECTED', 2: 'CHAMPION' })
    expect(warnings).toHaveLength(1)
  })

  it('rejects another version that does not fit the contract', async () => {
    await changeManifest('1', ({ onnx }) => Object.assign(onnx.inputs[0]?.columns[0] ?? {}, { feature: 'age' }))
    expect(await stages()).toEqual({ 1: 'REJECTED', 2: 'CHAMPION' })
    expect(warnings[0]).toMatchObject({ problem: expect.stringContaining('column age: the contract has no such feature') })
  })

  it('rejects a version that belongs to another model', async () => {
    await changeManifest('1', manifest => Object.assign(manifest, { model: 'mortgage' }))
    expect(await stages()).toEqual({ 1: 'REJECTED', 2: 'CHAMPION' })
  })

  it('rejects another version whose graph lacks an output that its manifest names', async () => {
    await changeManifest('1', ({ onnx }) => Object.assign(onnx.output, { name: 'score' }))
    expect(await stages()).toEqual({ 1: 'REJECTED', 2: 'CHAMPION' })
    expect(warnings[0]).toMatchObject({ problem: expect.stringContaining('it has no output score') })
  })

  it('is refused if a version or a model does not have the name of its folder', async () => {
    await changeManifest('1', manifest => Object.assign(manifest, { version: '2' }))
    expect(await problems()).toEqual([expect.stringMatching(/1\/manifest\.json: version must be "1", like its folder/)])
  })

  it('is refused if the champion does not fit the contract', async () => {
    await changeManifest('2', ({ onnx }) => Object.assign(onnx.inputs[0]?.columns[0] ?? {}, { feature: 'age' }))
    expect(await problems()).toEqual([expect.stringMatching(/2\/manifest\.json does not fit the contract: .*column age/)])
  })

  it.each(['3', '', '../2'])('is refused if the champion file names no version: "%s"', async version => {
    await writeFile(file('champion'), version)
    expect(await problems()).toEqual([`${file('champion')} names a version that does not exist.`])
  })

  it('is refused without a champion file', async () => {
    await rm(file('champion'))
    expect(await problems()).toEqual([expect.stringContaining(file('champion'))])
  })

  it.each(['contract.json', '2/manifest.json'])(
    'is refused with the name of the file if %s is not JSON or is missing',
    async name => {
      await writeFile(file(name), '{"name": ')
      expect(await problems()).toEqual([`${file(name)} is missing or is not JSON.`])
      await rm(file(name))
      expect(await problems()).toEqual([`${file(name)} is missing or is not JSON.`])
    },
  )

  it('is refused with every problem of a contract that is wrong', async () => {
    await writeFile(file('contract.json'), JSON.stringify({ name: 'X', inputField: 'X', description: {}, features: [] }))
    const found = await problems()
    expect(found.length).toBeGreaterThanOrEqual(4)
    for (const problem of found) expect(problem.startsWith(`${file('contract.json')}: `)).toBe(true)
  })

  it('is refused if it is empty or does not exist', async () => {
    await rm(file(), { recursive: true })
    expect(await problems()).toEqual([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
    directory = join(directory, 'nowhere')
    expect(await problems()).toEqual([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
    directory = join(directory, '..')
  })

  it('names the problems of all its models at once', async () => {
    await cp(file(), join(directory, 'other'), { recursive: true })
    await writeFile(file('contract.json'), 'x')
    await writeFile(join(directory, 'other', 'contract.json'), 'x')
    expect(await problems()).toHaveLength(2)
  })

  it('can give only its contracts, for the schema', async () => {
    expect((await loadContracts(directory)).map(({ name }) => name)).toEqual([MODEL])
  })

  it('throws MODEL_NOT_FOUND for a model that it does not hold', async () => {
    const registry = await load()
    expect(() => registry.serving('mortgage', 'a')).toThrow(expect.objectContaining({ code: 'MODEL_NOT_FOUND' }))
    expect(registry.version(MODEL, '3')).toBeUndefined()
  })
})
