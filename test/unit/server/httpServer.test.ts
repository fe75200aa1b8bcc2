import { once } from 'node:events'
import { createServer } from 'node:net'
import { buildSchema } from 'graphql'
import { Registry } from 'prom-client'
import { expect, it, vi } from 'vitest'
import { startHttpServer } from '../../../src/server/httpServer.js'
import { AddressLimit } from '../../../src/server/limits/addressLimit.js'
import { StreamLimit } from '../../../src/server/limits/streamLimit.js'
import { freePort } from '../../support/redis.js'

vi.mock('../../../src/server/streams/webSocket.js', () => ({
  serveSubscriptions: () => {
    throw new Error('no subscriptions')
  },
}))

it('a server whose start fails after it has begun to listen frees its port', async () => {
  const port = await freePort()
  const never = () => {
    throw new Error('unexpected call')
  }
  const started = startHttpServer({
    host: '127.0.0.1',
    port,
    bodyLimitBytes: 1_024,
    drainMs: 0,
    keepAliveMs: 72_000,
    development: false,
    corsOrigins: [],
    contracts: [],
    schema: buildSchema('type Query { nothing: Int }'),
    auth: { authenticate: never, authenticateInOutage: never, watch: never },
    trustedProxies: [],
    forwardedHeader: 'x-forwarded-for',
    addresses: new AddressLimit(undefined, never),
    streams: new StreamLimit(1, never),
    contextOf: never,
    chargePoints: never,
    health: { metrics: new Registry(), notReady: async () => [] },
    report: never,
    observe: never,
    lookedUp: { document: never, prepared: never },
    refused: never,
    malformed: never,
    observeStream: never,
  })
  await expect(started).rejects.toThrow('no subscriptions')
  const other = createServer().listen(port, '127.0.0.1')
  await once(other, 'listening')
  other.close()
})
