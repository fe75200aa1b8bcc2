import type { TypedDocumentNode } from '@graphql-typed-document-node/core'
import { expect } from 'vitest'
import type { GraphqlClient } from './client.js'
import { AlertsDocument } from './generated/operations.js'
import { present } from './process.js'

/** Waits until `count` alerts (at most 100) can be read: an open transaction of another test on the server may hold them back. */
export async function settled(client: GraphqlClient, count: number): Promise<void> {
  const read = async () => (await client.data(AlertsDocument, { first: 100 })).alerts.nodes.length
  await expect.poll(read, { timeout: 10_000, interval: 10 }).toBe(count)
}

/** Sends a request that must be refused; returns the status, message and extensions of its error. */
export async function refusedWith<Data, Variables>(
  client: GraphqlClient,
  document: TypedDocumentNode<Data, Variables>,
  variables: Variables,
) {
  const { status, errors, data } = await client.request(document, variables)
  const { message, extensions } = present(errors?.[0], `error beside ${JSON.stringify(data)}`)
  return { status, message, ...extensions }
}
