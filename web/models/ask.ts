/** Why the gateway did not give what was asked for. */
export interface Failure {
  /** As in the errors of the API; UNREACHABLE without an answer. */
  readonly code: string
  readonly sentence: string
}

interface Answer<Data> {
  readonly data?: Data | null
  readonly failure?: Failure
}

interface GraphqlResult<Data> {
  readonly data?: Data | null
  readonly errors?: readonly { message: string; extensions?: { code?: string } }[]
}

/** Runs a query. A field that the caller may not see is null in `data`, with a failure beside it. */
export async function ask<Data>(token: string, query: string, variables: object, signal: AbortSignal): Promise<Answer<Data>> {
  const headers = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json',
  }
  let response: Response
  try {
    response = await fetch('/graphql', { method: 'POST', headers, body: JSON.stringify({ query, variables }), signal })
  } catch {
    return { failure: { code: 'UNREACHABLE', sentence: 'The gateway cannot be reached. Check your connection.' } }
  }
  try {
    const { data, errors } = (await response.json()) as GraphqlResult<Data>
    const [error] = errors ?? []
    return error ? { data, failure: { code: error.extensions?.code ?? '', sentence: error.message } } : { data }
  } catch {
    return { failure: { code: '', sentence: `The gateway answered HTTP ${response.status} without a GraphQL result.` } }
  }
}
