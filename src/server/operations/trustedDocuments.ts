import { createHash } from 'node:crypto'
import { type DocumentNode, type GraphQLSchema, parse, specifiedRules, validate } from 'graphql'
import { AppError, ConfigError } from '../../errors.js'
import { ADDED_RULES, MAX_TOKENS, VALIDATION_OPTIONS } from './documentRules.js'
import { isJsonObject } from './jsonObject.js'

const ID = /^(?:sha256:)?([0-9a-f]{64})$/
const HOW_TO_ASK =
  'This server runs registered documents only. Send the documentId of one ("sha256:" and its hash), or exactly its text as `query`.'

/** The fields in which a request may name its document, on any transport. */
export interface AskedDocument {
  readonly query?: unknown
  readonly documentId?: unknown
  readonly extensions?: unknown
}

/** The documents that a team has registered: nothing else is executed. */
export class TrustedDocuments {
  readonly #textByHash: ReadonlyMap<string, string>
  readonly #texts: ReadonlySet<string>
  readonly #parsed: ReadonlyMap<string, DocumentNode>

  /**
   * Takes a manifest in the form that @graphql-codegen/client-preset writes with `hashAlgorithm: 'sha256'` in
   * `persistedDocuments`: an object with each text under its hash.
   * @throws ConfigError with every problem
   */
  constructor(manifest: string) {
    const entries = Object.entries(objectOf(manifest))
    const parsed = new Map<string, DocumentNode>()
    const problems = entries.flatMap(([id, text]) => {
      const hash = ID.exec(id)?.[1]
      if (hash === undefined || typeof text !== 'string')
        return [`The entry ${shown(id)} is not a SHA-256 hash with the text of a document.`]
      if (createHash('sha256').update(text).digest('hex') !== hash) return [`${id} is not the SHA-256 of its document.`]
      try {
        parsed.set(hash, parse(text, { maxTokens: MAX_TOKENS }))
        return []
      } catch {
        return [`${id} is not valid GraphQL, or has over ${MAX_TOKENS} tokens.`]
      }
    })
    if (entries.length === 0) problems.push('The file holds no document.')
    if (problems.length > 0) throw unusable(problems)
    this.#textByHash = new Map(entries.map(([id, text]) => [ID.exec(id)?.[1] ?? id, text as string]))
    this.#texts = new Set(this.#textByHash.values())
    this.#parsed = parsed
  }

  get size(): number {
    return this.#textByHash.size
  }

  /** The hashes of the documents that this schema cannot answer. */
  notFitting(schema: GraphQLSchema): string[] {
    const rules = [...specifiedRules, ...ADDED_RULES]
    return [...this.#parsed].flatMap(([hash, document]) => (isValid(schema, document, rules) ? [] : [hash]))
  }

  /** The registered text that a request asks for, by id or by text. @throws AppError BAD_REQUEST for any other */
  textOf({ query, documentId, extensions }: AskedDocument): string {
    const { persistedQuery } = (extensions ?? {}) as { persistedQuery?: { sha256Hash?: unknown } | null }
    const id = documentId ?? persistedQuery?.sha256Hash
    const hash = typeof id === 'string' ? ID.exec(id)?.[1] : undefined
    const text = hash === undefined ? undefined : this.#textByHash.get(hash)
    const isNamed = id != null
    const isSent = query != null && query !== ''
    // A request with both passes only where they are the same document.
    if (isNamed && text !== undefined && (!isSent || query === text)) return text
    if (!isNamed && typeof query === 'string' && this.#texts.has(query)) return query
    throw new AppError('BAD_REQUEST', HOW_TO_ASK)
  }
}

function objectOf(manifest: string): object {
  try {
    const value: unknown = JSON.parse(manifest)
    if (isJsonObject(value)) return value
  } catch {}
  throw unusable(['The file is not a JSON object of documents by their SHA-256.'])
}

function unusable(problems: readonly string[]): ConfigError {
  return new ConfigError(problems.map(problem => `RISKGATE_TRUSTED_DOCUMENTS: ${problem}`))
}

function isValid(schema: GraphQLSchema, document: DocumentNode, rules: Parameters<typeof validate>[2]): boolean {
  try {
    return validate(schema, document, rules, VALIDATION_OPTIONS).length === 0
  } catch {
    // The rule that a subscription has one root field throws where it would need a variable.
    return false
  }
}

function shown(id: string): string {
  return JSON.stringify(id.length > 80 ? `${id.slice(0, 80)}…` : id)
}
