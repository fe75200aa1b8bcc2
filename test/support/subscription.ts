import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import type { GraphqlClient } from './client.js'

export interface TestSubscription<Data> extends AsyncDisposable {
  /** The next event; rejects with the subscription's errors, or when it ends. Calls get events in the order of the calls. */
  next(): Promise<Data>
  /** Resolves with the code that the server closes the socket with. */
  readonly closed: Promise<number>
}

/** Opens a subscription on its own socket. */
export function subscribe<Data, Variables extends Record<string, unknown>>(
  client: GraphqlClient,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
): TestSubscription<Data> {
  const sockets = client.sockets()
  const closed = new Promise<number>(resolve => {
    sockets.on('closed', event => resolve((event as { code: number }).code))
  })
  const events = sockets.iterate<Data>({ query: print(document), variables })
  let last: Promise<unknown> = Promise.resolve()
  return {
    next() {
      const event = last.then(async () => {
        const { value, done } = await events.next()
        if (done || !value?.data)
          throw new Error(`The subscription sent no event: ${JSON.stringify(value?.errors ?? 'it ended')}`)
        return value.data
      })
      last = event.catch(() => undefined)
      return event
    },
    closed,
    async [Symbol.asyncDispose]() {
      await sockets.dispose()
    },
  }
}
