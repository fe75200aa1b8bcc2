import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { GraphQLSchema } from 'graphql'
import { type Client, createClient } from 'graphql-ws'
import { WebSocket } from 'ws'
import { Authenticator } from '../../../src/auth/authenticator.js'
import type { Principal } from '../../../src/auth/principal.js'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import type { RequestContext } from '../../../src/resolvers/context.js'
import { AddressLimit } from '../../../src/server/limits/addressLimit.js'
import { StreamLimit } from '../../../src/server/limits/streamLimit.js'
import { OperationGate } from '../../../src/server/operations/operationGate.js'
import type { StreamReport } from '../../../src/server/streams/streamOptions.js'
import { serveSubscriptions } from '../../../src/server/streams/webSocket.js'

export interface SocketServer extends AsyncDisposable {
  readonly address: string
  /** Unexpected errors. */
  readonly reports: unknown[]
  readonly observed: StreamReport[]
  /** Waits for a report that satisfies `wanted`. */
  observation(wanted: (report: StreamReport) => boolean): Promise<StreamReport>
  /** A client that never retries, with one socket for all its subscriptions. */
  client(): Client
}

export interface SocketServerOptions {
  readonly schema: GraphQLSchema
  readonly authenticate: () => Promise<Principal>
  readonly contextOf: () => RequestContext
}

/** Serves the real subscriptions over any schema, on a real port. */
export async function startSockets(options: SocketServerOptions): Promise<SocketServer> {
  const http = createServer()
  const authenticator = new Authenticator({ tokens: options, apiKeys: options, withdrawals: new Withdrawals() })
  const [reports, observed]: [unknown[], StreamReport[]] = [[], []]
  const waiting = new Set<() => void>()
  const streams = serveSubscriptions({
    ...options,
    gate: new OperationGate({ schema: options.schema, chargePoints: () => undefined, development: false }),
    auth: { authenticate: options.authenticate, watch: (...watched) => authenticator.watch(...watched) },
    addresses: new AddressLimit(undefined, () => {}),
    streams: new StreamLimit(1_000, () => {}),
    addressOf: ({ socket }) => socket.remoteAddress ?? '',
    http,
    path: '/graphql',
    upgrades: { mayConnect: () => true, mayAnswer: () => true, headers: {}, refused: () => {} },
    report: (_id, error) => reports.push(error),
    observe: report => {
      observed.push(report)
      for (const look of waiting) look()
    },
  })
  http.listen(0, '127.0.0.1')
  await once(http, 'listening')
  const address = `ws://127.0.0.1:${(http.address() as AddressInfo).port}/graphql`
  const clients: Client[] = []
  return {
    address,
    reports,
    observed,
    observation: wanted =>
      new Promise(resolve => {
        const look = () => {
          const found = observed.find(wanted)
          if (!found) return
          waiting.delete(look)
          resolve(found)
        }
        waiting.add(look)
        look()
      }),
    client() {
      const client = createClient({ url: address, webSocketImpl: WebSocket, retryAttempts: 0, lazyCloseTimeout: 5_000 })
      clients.push(client)
      return client
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client.dispose()
      await streams.close()
      http.close()
      await once(http, 'close')
    },
  }
}
