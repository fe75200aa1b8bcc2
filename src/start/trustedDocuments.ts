import { readFile } from 'node:fs/promises'
import type { GraphQLSchema } from 'graphql'
import { ConfigError } from '../errors.js'
import { TrustedDocuments } from '../server/operations/trustedDocuments.js'
import type { Kit } from './kit.js'

/**
 * Loads the registered documents, where a manifest is configured. Logs those that the schema cannot answer.
 * @throws ConfigError
 */
export async function startTrustedDocuments(
  { config: { trustedDocumentsFile }, logger }: Pick<Kit, 'config' | 'logger'>,
  { schema }: { schema: GraphQLSchema },
): Promise<TrustedDocuments | undefined> {
  if (trustedDocumentsFile === undefined) return undefined
  const documents = new TrustedDocuments(await read(trustedDocumentsFile))
  for (const id of documents.notFitting(schema)) logger.warn({ id }, 'a registered document does not fit the schema')
  return documents
}

function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(({ code }: NodeJS.ErrnoException) => {
    throw new ConfigError([`RISKGATE_TRUSTED_DOCUMENTS: the file cannot be read (${code}).`])
  })
}
