import { readFile } from 'node:fs/promises'
import type { GraphQLSchema } from 'graphql'
import type { Config } from '../config/config.js'
import { ConfigError } from '../errors.js'
import { ManifestError, TrustedDocuments } from '../server/operations/trustedDocuments.js'

type Warn = (message: string, fields: Record<string, unknown>) => void

/** The registered documents, where there is a manifest of them. Those that this release cannot answer are told of. @throws ConfigError */
export async function loadTrustedDocuments(
  { trustedDocumentsFile }: Pick<Config, 'trustedDocumentsFile'>,
  schema: GraphQLSchema,
  warn: Warn,
): Promise<TrustedDocuments | undefined> {
  if (trustedDocumentsFile === undefined) return undefined
  const documents = await read(trustedDocumentsFile)
  for (const id of documents.notFitting(schema)) warn('a registered document does not fit the schema', { id })
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
