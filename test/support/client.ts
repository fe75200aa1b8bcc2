import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { type ExecutionResult, print } from 'graphql'
import { createClient as createEventStreams, type Client as EventStreams } from 'graphql-sse'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { exchange, type HttpRequest, type RawAnswer } from './httpExchange.js'

export interface GraphqlError {
  readonly message: string
  readonly path?: readonly (string | number)[]
  readonly extensions: {
    readonly code: string
    readonly retryable?: boolean
    readonly errorId?: string
    readonly problems?: readonly { code: string; message: string; path: string[] }[]
  }
}

export interface GraphqlAnswer<Data> {
  readonly status: number
  readonly data?: Data | null
  readonly errors?: readonly GraphqlError[]
  readonly headers: Headers
}

export type SubscriptionEvent<Data> = Omit<ExecutionResult<Data>, 'errors'> & { readonly errors?: readonly GraphqlError[] }

/** One subscription on a WebSocket client: `next` waits for an event, `return` completes it. */
export function subscribeTo<Data, Variables extends Record<string, unknown>>(
  sockets: Client | EventStreams,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): AsyncIterableIterator<SubscriptionEvent<Data>> {
  return sockets.iterate({ query: print(document), variables }) as AsyncIterableIterator<SubscriptionEvent<Data>>
}

/** The data of a subscription's next event; throws if the subscription ended or the event holds errors. */
export async function nextEvent<Data>(events: AsyncIterator<SubscriptionEvent<Data>>): Promise<Data> {
  const { value, done } = await events.next()
  if (done || !value.data || value.errors) throw new Error(`No event came: ${JSON.stringify(value)}`)
  return value.data
}

/** A client like a front-end: HTTP for queries and mutations, WebSocket for subscriptions. */
export class GraphqlClient {
  readonly #url: string
  readonly #token: string | undefined

  constructor(url: string, token: string | undefined) {
    this.#url = url
    this.#token = token
  }

  request<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<GraphqlAnswer<Data>> {
    return this.send({ query: print(document), variables })
  }

  /** The data of a request that must succeed. */
  async data<Data, Variables>(document: TypedDocumentNode<Data, Variables>, variables: Variables): Promise<Data> {
    const { data, errors } = await this.request(document, variables)
    if (errors || !data) throw new Error(`The request failed: ${JSON.stringify(errors)}`)
    return data
  }

  /** Sends any body; a string is sent unchanged. */
  async send<Data = Record<string, unknown>>(body: unknown, headers: Record<string, string> = {}): Promise<GraphqlAnswer<Data>> {
    const answer = await this.call({
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
    return { ...(JSON.parse(answer.text) as object), status: answer.status, headers: answer.headers }
  }

  /** Sends a request to the GraphQL address; returns the answer without parsing it. */
  call(request: HttpRequest, search = ''): Promise<RawAnswer> {
    return exchange(`${this.#url}/graphql${search}`, { ...request, headers: { ...this.#authorization(), ...request.headers } })
  }

  /** Sends any request to the GraphQL address as a browser would; returns the answer without parsing it. */
  async raw(init: RequestInit, search = ''): Promise<RawAnswer> {
    const headers = { ...this.#authorization(), ...(init.headers as Record<string, string> | undefined) }
    const response = await fetch(`${this.#url}/graphql${search}`, { ...init, headers })
    return { status: response.status, text: await response.text(), headers: response.headers }
  }

  /** A WebSocket client that connects at its first subscription and never retries. */
  sockets(): Client {
    return createClient({
      url: `${this.#url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: this.#authorization(),
      retryAttempts: 0,
    })
  }

  /** A client of server-sent events, one connection for each subscription, that never retries. */
  eventStreams(): EventStreams {
    return createEventStreams({ url: `${this.#url}/graphql/stream`, headers: this.#authorization(), retryAttempts: 0 })
  }

  /** The events that a stream sends before its first pause of 300 ms; none if it sends none, the whole body if it is no stream. */
  async openStream(body: unknown, init: RequestInit = {}, search = ''): Promise<string[]> {
    const controller = new AbortController()
    const response = await fetch(`${this.#url}/graphql/stream${search}`, {
      method: 'POST',
      signal: controller.signal,
      body: JSON.stringify(body),
      ...init,
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...this.#authorization() },
    })
    if (!response.headers.get('content-type')?.startsWith('text/event-stream')) return [await response.text()]
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
    const sent: string[] = []
    for (;;) {
      const waiting = new Promise<void>(resolve => setTimeout(resolve, 300))
      const read = await Promise.race([reader?.read(), waiting])
      if (!read || read.done) break
      if (read.value.includes('event:')) sent.push(read.value)
    }
    controller.abort()
    return sent
  }

  #authorization(): Record<string, string> {
    return this.#token === undefined ? {} : { authorization: `Bearer ${this.#token}` }
  }
}
