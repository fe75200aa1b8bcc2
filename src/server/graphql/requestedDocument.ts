import type { FastifyRequest } from 'fastify'
import { AppError } from '../../errors.js'
import { refuseLongText } from '../operations/documentLimits.js'
import { isJsonObject } from '../operations/jsonObject.js'
import type { AskedDocument, TrustedDocuments } from '../operations/trustedDocuments.js'
import { requireDecodable } from '../operations/utf8.js'

/**
 * Checks the document of a request before anything is parsed. Its text must not be too long. Where only registered documents run,
 * the request is rewritten to hold the text of one.
 * @throws AppError QUERY_TOO_COMPLEX, BAD_REQUEST
 */
export function checkRequestedDocument(request: FastifyRequest, trusted: TrustedDocuments | undefined): void {
  // Apollo's adapter joins the address to the Host header, and fails where that is no host name.
  if (!URL.canParse(request.url, `${request.protocol}://${request.hostname}/`)) {
    throw new AppError('BAD_REQUEST', 'Send a Host header with a host name.')
  }
  // Read as Apollo will read it, not as Fastify reads an address.
  if (request.method !== 'POST') requireDecodable(request.url)
  const search = request.method === 'POST' ? undefined : new URL(request.url, 'http://localhost').searchParams
  const body = isJsonObject(request.body) ? request.body : {}
  const asked = search ? askedIn(search) : body
  if (typeof asked.query === 'string') refuseLongText(asked.query)
  if (!trusted) return
  const query = trusted.textOf(asked)
  if (search) {
    const rest = new URLSearchParams({ query })
    for (const name of ['operationName', 'variables']) for (const value of search.getAll(name)) rest.append(name, value)
    // Apollo reads the document from the address.
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
