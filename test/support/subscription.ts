import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { print } from 'graphql'
import type { GraphqlClient } from './client.js'

export interface TestSubscription<Data> extends AsyncDisposable {
  /** The next event; rejects with the errors of the subscription, or when it ends. Calls are answered in their order. */
  next(): Promise<Data>
  /** The code that the server closed the socket with. */
  readonly closed: Promise<number>
}

/** A subscription on a socket of its own. */
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
          throw new Error(`The subscription gave no event: ${JSON.stringify(value?.errors ?? 'it ended')}`)
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
