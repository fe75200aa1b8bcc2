import { readFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { ConfigError } from '../errors.js'
import type { ModelContract } from '../scoring/contract.js'
import { type ModelManifest, manifestSchema } from '../scoring/manifest.js'
import { type InstalledVersion, Release } from '../scoring/release.js'
import type { Tracer } from '../tracer.js'
import { admit } from './admission.js'
import { loadContract, modelNames, readJson, subfolders } from './modelFiles.js'
import { type ModelEntry, ModelRegistry } from './modelRegistry.js'
import { type ScorerWatch, watchedScorer } from './watchedScorer.js'

const CHAMPION_FILE = 'champion'

export interface ModelFolderOptions extends ScorerWatch {
  readonly directory: string
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/**
 * Loads every model of a folder: <name>/contract.json, <name>/champion (the version that serves) and <name>/<version>/. A version
 * that does not match its manifest is REJECTED. Where that is the champion, the folder cannot be served.
 * @throws ConfigError with every problem, each naming its file
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

async function loadModel(directory: string, options: ModelFolderOptions): Promise<ModelEntry> {
  const contract = await loadContract(directory)
  if (contract.name !== basename(directory)) {
    throw new ConfigError([`${join(directory, 'contract.json')}: name must be "${basename(directory)}", like its folder.`])
  }
  const championVersion = (await readFile(join(directory, CHAMPION_FILE), 'utf8')).trim()
  const versions: InstalledVersion[] = []
  let champion: Release | undefined
  for (const folder of (await subfolders(directory)).sort()) {
    const manifest = await readManifest(join(directory, folder))
    const isChampion = manifest.version === championVersion
    const admitted = await admit(join(directory, folder), contract, manifest)
    if ('problem' in admitted) refuse(contract, admitted.problem, isChampion, options)
    else if (isChampion)
      champion = new Release(contract, manifest, watchedScorer(admitted.model, manifest, options), options.tracer)
    // The others were loaded only to check that they can be: the champion alone answers.
    else await admitted.model.release()
    versions.push({ manifest, stage: 'problem' in admitted ? 'REJECTED' : isChampion ? 'CHAMPION' : 'CANDIDATE' })
  }
  if (!champion) throw new ConfigError([`${join(directory, CHAMPION_FILE)} names a version that does not exist.`])
  return { contract, champion, versions }
}

async function readManifest(directory: string): Promise<ModelManifest> {
  const file = join(directory, 'manifest.json')
  const manifest = await readJson(file, manifestSchema)
  if (manifest.version === basename(directory)) return manifest
  throw new ConfigError([`${file}: version must be "${basename(directory)}", like its folder.`])
}

function refuse({ name }: ModelContract, problem: string, isChampion: boolean, { warn }: ModelFolderOptions): void {
  if (isChampion) throw new ConfigError([problem])
  warn('a model version is rejected', { model: name, problem })
}

function problemsOf(error: unknown): readonly string[] {
  return error instanceof ConfigError ? error.problems : [(error as Error).message]
}
