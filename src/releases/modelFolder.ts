import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { z } from 'zod'
import { ConfigError } from '../errors.js'
import { contractSchema, type ModelContract } from '../scoring/contract.js'
import { contractViolations, type ModelManifest, manifestSchema } from '../scoring/manifest.js'
import { OnnxModel } from '../scoring/onnxModel.js'
import { Release, type Scorer } from '../scoring/release.js'
import { type ModelEntry, ModelRegistry, type VersionEntry } from './modelRegistry.js'

const CHAMPION_FILE = 'champion'

export interface ModelFolderOptions {
  readonly directory: string
  /** Told the seconds of each run of a model. */
  readonly observeScoring: (manifest: ModelManifest, seconds: number) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/**
 * Loads every model of a folder: <name>/contract.json, <name>/champion (the version that serves) and <name>/<version>/.
 * A version that is not what its manifest says is REJECTED; where that is the champion, the folder cannot be served.
 * @throws ConfigError
 */
export async function loadModelFolder(options: ModelFolderOptions): Promise<ModelRegistry> {
  const names = await modelNames(options.directory)
  const loaded = await Promise.allSettled(names.map(name => loadModel(join(options.directory, name), options)))
  const problems = loaded.flatMap(result => (result.status === 'rejected' ? problemsOf(result.reason) : []))
  const entries = loaded.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const fields = entries.map(({ contract }) => contract.inputField)
  const twice = fields.find((field, i) => fields.indexOf(field) !== i)
  if (twice !== undefined) problems.push(`${options.directory}: two models have the inputField ${twice}.`)
  if (problems.length > 0) throw new ConfigError(problems)
  return new ModelRegistry(entries)
}

/** The contracts alone: what the GraphQL schema is made of. */
export async function loadContracts(directory: string): Promise<ModelContract[]> {
  const names = await modelNames(directory)
  return Promise.all(names.map(name => readJson(join(directory, name, 'contract.json'), contractSchema)))
}

async function modelNames(directory: string): Promise<string[]> {
  const names = await subfolders(directory).catch(() => {
    throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
  })
  if (names.length === 0) throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
  return names
}

async function loadModel(directory: string, options: ModelFolderOptions): Promise<ModelEntry> {
  const contract = await readJson(join(directory, 'contract.json'), contractSchema)
  if (contract.name !== basename(directory)) {
    throw new ConfigError([`${join(directory, 'contract.json')}: name must be that of its folder.`])
  }
  const championVersion = (await readFile(join(directory, CHAMPION_FILE), 'utf8')).trim()
  const versions: VersionEntry[] = []
  let champion: Release | undefined
  for (const folder of (await subfolders(directory)).sort()) {
    const manifest = await readJson(join(directory, folder, 'manifest.json'), manifestSchema)
    if (manifest.version !== folder) {
      throw new ConfigError([`${join(directory, folder, 'manifest.json')}: version must be that of its folder.`])
    }
    const isChampion = manifest.version === championVersion
    const { model, problem } = await loadVersion(join(directory, folder), contract, manifest)
    if (isChampion && problem !== undefined) throw new ConfigError([problem])
    if (problem !== undefined) options.warn('a model version is rejected', { model: contract.name, problem })
    if (isChampion && model) champion = new Release(contract, manifest, watched(model, manifest, options))
    // The others were loaded to see that they can be: only the champion answers.
    else await model?.release()
    versions.push({ manifest, stage: problem !== undefined ? 'REJECTED' : isChampion ? 'CHAMPION' : 'CANDIDATE' })
  }
  if (!champion) throw new ConfigError([`${join(directory, CHAMPION_FILE)} names a version that is not there.`])
  return { contract, champion, versions }
}

async function loadVersion(
  directory: string,
  contract: ModelContract,
  manifest: ModelManifest,
): Promise<{ model?: OnnxModel; problem?: string }> {
  const file = join(directory, manifest.onnx.file)
  const violations = contractViolations(manifest, contract)
  if (violations.length > 0)
    return { problem: `${join(directory, 'manifest.json')} does not fit the contract: ${violations.join('; ')}.` }
  const bytes = await readFile(file).catch(() => undefined)
  if (!bytes) return { problem: `${file} is missing or cannot be read.` }
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (digest !== manifest.onnx.sha256) return { problem: `${file} has not the SHA-256 that its manifest names.` }
  try {
    return { model: await OnnxModel.load(bytes, manifest) }
  } catch (error) {
    return { problem: `${file} cannot be loaded: ${(error as Error).message}.` }
  }
}

/** Runs are timed, and what a caller is told as MODEL_OUTPUT_INVALID leaves a trace for the model's owner. */
function watched(model: Scorer, manifest: ModelManifest, { observeScoring, warn }: ModelFolderOptions): Scorer {
  const named = { model: manifest.model, version: manifest.version }
  return {
    async score(rows) {
      const startedAt = performance.now()
      try {
        const answers = await model.score(rows)
        const invalid = answers.filter(answer => answer instanceof Error).length
        if (invalid > 0) warn('a model answered with something that is no probability', { ...named, rows: invalid })
        return answers
      } catch (error) {
        // Not its message: the runtime may name values.
        const { name } = ((error as Error).cause ?? error) as Error
        warn('a model failed', { ...named, rows: rows.length, error: name })
        throw error
      } finally {
        observeScoring(manifest, (performance.now() - startedAt) / 1_000)
      }
    },
  }
}

async function subfolders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
}

async function readJson<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema>> {
  let json: unknown
  try {
    json = JSON.parse(await readFile(file, 'utf8'))
  } catch {
    throw new ConfigError([`${file} is missing or is not JSON.`])
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return parsed.data
  throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${file}: ${path.join('.')} ${message}.`))
}

function problemsOf(error: unknown): readonly string[] {
  return error instanceof ConfigError ? error.problems : [(error as Error).message]
}
