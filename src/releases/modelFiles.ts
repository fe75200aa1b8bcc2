import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { ConfigError } from '../errors.js'
import { contractSchema, type ModelContract } from '../scoring/contract.js'

/** Loads only the contracts of a models folder: the GraphQL schema is made from them. @throws ConfigError */
export async function loadContracts(directory: string): Promise<ModelContract[]> {
  const names = await modelNames(directory)
  return Promise.all(names.map(name => loadContract(join(directory, name))))
}

/** Loads the contract in the folder of one model. @throws ConfigError */
export function loadContract(directory: string): Promise<ModelContract> {
  return readJson(join(directory, 'contract.json'), contractSchema)
}

/** Lists the names of the models in a models folder. @throws ConfigError where there is none */
export async function modelNames(directory: string): Promise<string[]> {
  const names = await subfolders(directory).catch(() => {
    throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} is not a folder that can be read.`])
  })
  if (names.length === 0) throw new ConfigError([`RISKGATE_MODELS_DIR: ${directory} holds no model.`])
  return names
}

export async function subfolders(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true })
  return entries.filter(entry => entry.isDirectory() && !entry.name.startsWith('.')).map(({ name }) => name)
}

/** Reads a JSON file, which must fit a schema. @throws ConfigError with every problem, each naming the file */
export async function readJson<Schema extends z.ZodType>(file: string, schema: Schema): Promise<z.output<Schema>> {
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
