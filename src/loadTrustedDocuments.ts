import { readFile } from 'node:fs/promises'
import type { GraphQLSchema } from 'graphql'
import { ConfigError } from './config.js'
import { ManifestError, TrustedDocuments } from './server/trustedDocuments.js'

type Warn = (message: string, fields: Record<string, unknown>) => void

/** The registered documents of a manifest's file. Documents that this release cannot answer are told of. @throws ConfigError */
export async function loadTrustedDocuments(file: string, schema: GraphQLSchema, warn: Warn): Promise<TrustedDocuments> {
  const documents = await read(file)
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
