import type { ApolloServerOptionsWithGateway, BaseContext } from '@apollo/server'
import type { DocumentNode } from 'graphql'
import { LRUCache } from 'lru-cache'

type Store = NonNullable<ApolloServerOptionsWithGateway<BaseContext>['documentStore']>

/** The most that each of our stores of documents and plans may take. */
export const MAX_BYTES = 16 * 1024 * 1024
// Measured: a token with its nodes, their places in the text and its measurements.
const BYTES_A_TOKEN = 768
const BYTES_A_CHARACTER = 2
const BYTES_A_PLANNED_FIELD = 400

/**
 * The documents that were parsed last, for Apollo. Its own store counts a document by its JSON. That leaves out the text, which each
 * place in a document keeps alive: comments of 60 KB filled the memory.
 */
export function createDocumentStore(lookedUp: (isHit: boolean) => void): Store {
  const documents = new LRUCache<string, DocumentNode>({ maxSize: MAX_BYTES, sizeCalculation: document => bytesOf(document) })
  return {
    get: async key => {
      const document = documents.get(key)
      lookedUp(document !== undefined)
      return document
    },
    set: async (key, document) => void documents.set(key, document),
    delete: async key => documents.delete(key),
  }
}

/** About how much memory a parsed document takes, with its text, and a plan of so many fields. */
export function bytesOf(document: DocumentNode, plannedFields = 0): number {
  const { tokenCount = 0, loc } = document as DocumentNode & { readonly tokenCount?: number }
  const text = loc?.source.body.length ?? 0
  return 1 + tokenCount * BYTES_A_TOKEN + text * BYTES_A_CHARACTER + plannedFields * BYTES_A_PLANNED_FIELD
}
