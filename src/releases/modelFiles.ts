import { existsSync } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { ConfigError } from '../errors.js'
import { contractSchema, type ModelContract } from '../scoring/contract.js'

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
 * Reads the contracts of a models folder. A folder with neither a contract nor a champion is no model. Two models with the same
 * inputField are both out: a caller could not say which of them is meant.
 * @throws ConfigError where the folder holds no model or cannot be read
 */
export async function readModelFolders(directory: string): Promise<ModelFolders> {
  const names = await subfolders(directory).catch(() => {
    throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
  })
  const isModel = (name: string) => ['contract.json', 'champion'].some(file => existsSync(join(directory, name, file)))
  const read = await Promise.all(names.filter(isModel).map(name => readModelFolder(directory, name)))
  if (read.length === 0) throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
  return { models: read.map(folder => withoutSharedField(folder, read)), strays: names.filter(name => !isModel(name)) }
}

/** The contracts that a schema can be made from. @throws ConfigError where there is none, with every problem */
export async function loadContracts(directory: string): Promise<ModelContract[]> {
  const { models } = await readModelFolders(directory)
  const contracts = models.flatMap(({ contract }) => contract ?? [])
  if (contracts.length === 0) throw new ConfigError(models.flatMap(({ problems }) => problems))
  return contracts
}

/** Lists folders by name, also those behind a link. Names with a leading dot are left out. */
export async function subfolders(directory: string): Promise<string[]> {
  const names = (await readdir(directory)).filter(name => !name.startsWith('.')).sort()
  const kinds = await Promise.all(names.map(name => stat(join(directory, name)).catch(() => undefined)))
  return names.filter((_, i) => kinds[i]?.isDirectory())
}

/** Reads a JSON file, which must fit a schema. `name` is what its problems call the file. */
export async function readJson<Schema extends z.ZodType>(
  file: string,
  name: string,
  schema: Schema,
): Promise<{ readonly value: z.output<Schema> } | { readonly problems: string[] }> {
  let json: unknown
  try {
    json = JSON.parse(withoutMark(await readFile(file, 'utf8')))
  } catch {
    return { problems: [`${name} is missing or is not JSON.`] }
  }
  const parsed = schema.safeParse(json)
  if (parsed.success) return { value: parsed.data }
  return { problems: parsed.error.issues.map(({ path, message }) => `${name}: ${path.join('.')} ${message}.`) }
}

/** Some editors begin a UTF-8 file with a byte order mark. */
export function withoutMark(text: string): string {
  return text.startsWith('\uFEFF') ? text.slice(1) : text
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

function withoutSharedField(folder: ModelFolder, all: readonly ModelFolder[]): ModelFolder {
  const field = folder.contract?.inputField
  const other = all.find(({ name, contract }) => name !== folder.name && contract && contract.inputField === field)
  if (!other) return folder
  const problem = `${folder.name}/contract.json: the inputField ${field} is also that of ${other.name}; give each model its own.`
  return { ...folder, contract: undefined, problems: [problem] }
}
