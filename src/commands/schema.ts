// TypeGraphQL's decorators need it before the first of them runs.
import 'reflect-metadata'
import { loadConfig } from '../config/config.js'
import { loadContracts } from '../releases/files/modelFolders.js'
import { RESOLVERS } from '../resolvers/resolvers.js'
import { buildApiSchema } from '../schema/build.js'
import { emitSchema } from '../schema/emit.js'

/** Prints the GraphQL schema of the models folder. @throws ConfigError */
export async function printSchema(): Promise<void> {
  const contracts = await loadContracts(loadConfig().modelsDirectory)
  process.stdout.write(emitSchema(buildApiSchema(RESOLVERS, () => undefined, contracts)))
}
