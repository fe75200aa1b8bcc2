// TypeGraphQL's decorators need it before the first of them runs.
import 'reflect-metadata'
import { loadConfig } from '../config/config.js'
import { loadContracts } from '../releases/files/modelFolders.js'
import { openApi } from '../server/rest/openApi.js'

/** Prints the OpenAPI document of the models folder. @throws ConfigError */
export async function printOpenApi(): Promise<void> {
  const contracts = await loadContracts(loadConfig().modelsDirectory)
  process.stdout.write(`${JSON.stringify(openApi(contracts), null, 2)}\n`)
}
