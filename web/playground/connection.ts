import type { Fetcher, FetcherParams } from '@graphiql/toolkit'
import { type Client, CloseCode, createClient, type FormattedExecutionResult } from 'graphql-ws'
import { operationOf } from './operation'

type Result = FormattedExecutionResult<Record<string, unknown>, unknown>

const ENDPOINT = '/graphql'

const NO_TOKEN = 'No access token is set, so nothing was sent. Enter one at the top of the page.'

/** The two transports to the gateway for one token: HTTP for queries and mutations, one lazy WebSocket for subscriptions. */
export interface Connection {
  /** Empty if there is no token; then nothing is sent. */
  token: string
  fetcher: Fetcher
  close(): void
}

export function connect(token: string): Connection {
  if (!token) return { token, fetcher: asFetcher(() => failure(NO_TOKEN)), close: () => {} }
  const authorization = `Bearer ${token}`
  const client = createClient({ url: socketUrl(), connectionParams: { authorization }, shouldRetry })
  const fetcher = asFetcher(({ query, variables, operationName }) => {
    const operation = operationOf(query, operationName)
    const params = { query, variables, operationName: operation?.name?.value ?? operationName }
    return operation?.operation === 'subscription' ? subscribe(client, params) : post(params, authorization)
  })
  return { token, fetcher, close: () => void client.dispose() }
}

async function post(params: FetcherParams, authorization: string): Promise<Result> {
  const headers = {
    authorization,
    'content-type': 'application/json',
    accept: 'application/graphql-response+json, application/json',
  }
  let response: Response
  try {
    response = await fetch(ENDPOINT, { method: 'POST', headers, body: JSON.stringify(params) })
  } catch {
    return failure('The gateway cannot be reached.')
  }
  try {
    return await response.json()
  } catch {
    return failure(`The gateway answered HTTP ${response.status} without a GraphQL result.`)
  }
}

function subscribe(client: Client, { query, variables, operationName }: FetcherParams): AsyncIterableIterator<Result> {
  const events = client.iterate({ query, variables, ...(operationName && { operationName }) })
  const next = events.next.bind(events)
  // Errors become results, because GraphiQL shows a thrown close event as {"isTrusted": true}, and an Error with its stack.
  events.next = () => next().catch((error: unknown) => ({ done: false, value: refusal(error) }))
  return events
}

function refusal(error: unknown): Result {
  if (Array.isArray(error)) return { errors: error }
  if (isClose(error)) return failure(`The gateway closed the socket: ${error.code} ${error.reason}`.trim())
  return failure(error instanceof Error ? error.message : 'The subscription failed.')
}

// By default the client retries a refused token five times, and reports nothing for up to a minute.
function shouldRetry(error: unknown): boolean {
  return isClose(error) && error.code !== CloseCode.Forbidden
}

function isClose(error: unknown): error is { code: number; reason: string } {
  return typeof error === 'object' && error !== null && 'code' in error && 'reason' in error
}

function socketUrl(): string {
  return `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${ENDPOINT}`
}

function failure(message: string): Result {
  return { errors: [{ message }] }
}

// The toolkit's type wants instances of GraphQLError. From JSON they are plain objects, which is enough, because it only prints them.
function asFetcher(fetcher: (params: FetcherParams) => Result | Promise<Result> | AsyncIterableIterator<Result>): Fetcher {
  return fetcher as Fetcher
}
