import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError } from '../../errors.js'
import { contractSchema, type ModelContract } from '../../scoring/contract.js'
import { isThere, readJson } from './readFiles.js'

/** The folder of a model. Without a contract the model cannot serve, and the problems say why. */
export interface ModelFolder {
  readonly name: string
  readonly directory: string
  readonly contract: ModelContract | undefined
  readonly problems: readonly string[]
}

export interface ModelFolders {
  readonly models: readonly ModelFolder[]
  /** Names of folders that hold no model, such as notebooks. */
  readonly strays: readonly string[]
}

/**
 * Reads the contracts of a models folder. A folder with neither a contract nor a champion is no model. Where two models have the same
 * inputField, the one with a champion keeps it; where both have one, both are out: a caller could not say which of them is meant.
 * @throws ConfigError where the folder holds no model or cannot be read
 */
export async function readModelFolders(directory: string): Promise<ModelFolders> {
  const names = await subfolders(directory).catch(() => {
    throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
  })
  const areModels = await Promise.all(names.map(name => isModel(join(directory, name))))
  const read = await Promise.all(names.filter((_, i) => areModels[i]).map(name => readModelFolder(directory, name)))
  if (read.length === 0) throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
  return { models: read.map(folder => withoutSharedField(folder, read)), strays: names.filter((_, i) => !areModels[i]) }
}

/** The contracts of a models folder. @throws ConfigError with every problem where one of them is wrong */
export async function loadContracts(directory: string): Promise<ModelContract[]> {
  const { models } = await readModelFolders(directory)
  const problems = models.flatMap(model => model.problems)
  if (problems.length > 0) throw new ConfigError(problems)
  return models.flatMap(({ contract }) => contract ?? [])
}

/** Lists folders by name, also those behind a link. Names with a leading dot are left out. */
export async function subfolders(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(name => !name.startsWith('.')).sort()
  const kinds = await Promise.all(names.map(name => stat(join(directory, name)).catch(() => undefined)))
  return names.filter((_, i) => kinds[i]?.isDirectory())
}

/** Reads the contract of one model. */
export async function readModelFolder(parent: string, name: string): Promise<ModelFolder> {
  const directory = join(parent, name)
  const file = `${name}/contract.json`
  const read = await readJson(join(directory, 'contract.json'), file, contractSchema)
  if ('problems' in read) return { name, directory, contract: undefined, problems: read.problems }
  if (read.value.name === name) return { name, directory, contract: read.value, problems: [] }
  return { name, directory, contract: undefined, problems: [`${file}: name must be "${name}", like its folder.`] }
}

async function isModel(directory: string): Promise<boolean> {
  const files = await Promise.all(['contract.json', 'champion'].map(file => isThere(join(directory, file))))
  return files.includes(true)
}

function withoutSharedField(folder: ModelFolder, all: readonly ModelFolder[]): ModelFolder {
  const field = folder.contract?.inputField
  const others = all.filter(({ name, contract }) => name !== folder.name && contract && contract.inputField === field)
  const [other] = hasChampion(folder) ? others.filter(hasChampion) : others
  if (!other) return folder
  const problem = `${folder.name}/contract.json: the inputField ${field} is also that of ${other.name}; give each model its own.`
  return { ...folder, contract: undefined, problems: [problem] }
}

function hasChampion({ directory }: ModelFolder): boolean {
  return existsSync(join(directory, 'champion'))
}
