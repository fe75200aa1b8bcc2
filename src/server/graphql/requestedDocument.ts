import type { FastifyRequest } from 'fastify'
import { AppError } from '../../errors.js'
import { refuseLongText } from '../operations/documentLimits.js'
import { isJsonObject } from '../operations/jsonObject.js'
import type { AskedDocument, TrustedDocuments } from '../operations/trustedDocuments.js'

/**
 * Looks at what a request wants to run before anything is parsed: its text must not be too long, and where only registered
 * documents run, the request is made to ask for the text of one.
 * @throws AppError QUERY_TOO_COMPLEX, BAD_REQUEST
 */
export function checkRequestedDocument(request: FastifyRequest, trusted: TrustedDocuments | undefined): void {
  // Apollo's adapter puts the address together with the Host header, and fails on one that is none.
  if (!URL.canParse(request.url, `${request.protocol}://${request.hostname}/`)) {
    throw new AppError('BAD_REQUEST', 'The Host header of the request is not the name of a host.')
  }
  // Not by Fastify's reading of an address, but as Apollo will read it.
  const search = request.method === 'POST' ? undefined : new URL(request.url, 'http://localhost').searchParams
  const body = isJsonObject(request.body) ? request.body : {}
  const asked = search ? askedIn(search) : body
  if (typeof asked.query === 'string') refuseLongText(asked.query)
  if (!trusted) return
  const query = trusted.textOf(asked)
  if (search) {
    const rest = new URLSearchParams({ query })
    for (const name of ['operationName', 'variables']) for (const value of search.getAll(name)) rest.append(name, value)
    // Apollo reads the address.
    request.raw.url = `${request.url.split('?', 1)[0]}?${rest}`
  } else {
    const { operationName, variables } = body
    request.body = { query, ...(operationName !== undefined && { operationName }), ...(variables !== undefined && { variables }) }
  }
}

function askedIn(search: URLSearchParams): AskedDocument {
  return { query: search.get('query'), documentId: search.get('documentId'), extensions: parsed(search.get('extensions')) }
}

function parsed(text: string | null): unknown {
  try {
    return text === null ? undefined : JSON.parse(text)
  } catch {
    return undefined
  }
}
