import { readFile } from 'node:fs/promises'
import type { GraphQLSchema } from 'graphql'
import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import type { Logger } from '../observability/logger.js'
import { ManifestError, TrustedDocuments } from '../server/operations/trustedDocuments.js'

interface Needs {
  readonly config: Pick<Config, 'trustedDocumentsFile'>
  readonly logger: Pick<Logger, 'warn'>
}

/**
 * Loads the registered documents, where a manifest is configured. Logs those that the schema cannot answer.
 * @throws ConfigError
 */
export async function startTrustedDocuments(
  { config: { trustedDocumentsFile }, logger }: Needs,
  { schema }: { schema: GraphQLSchema },
): Promise<TrustedDocuments | undefined> {
  if (trustedDocumentsFile === undefined) return undefined
  const documents = await read(trustedDocumentsFile)
  for (const id of documents.notFitting(schema)) logger.warn({ id }, 'a registered document does not fit the schema')
  return documents
}

async function read(file: string): Promise<TrustedDocuments> {
  const problem = (text: string) => `RISKGATE_TRUSTED_DOCUMENTS: ${text}`
  try {
    return new TrustedDocuments(await readFile(file, 'utf8'))
  } catch (error) {
    if (error instanceof ManifestError) throw new ConfigError(error.problems.map(problem))
    throw new ConfigError([problem(`the file cannot be read (${(error as NodeJS.ErrnoException).code}).`)])
  }
}
