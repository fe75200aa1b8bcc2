import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { GraphQLError, GraphQLInt, GraphQLObjectType, type GraphQLScalarType, GraphQLSchema, GraphQLString } from 'graphql'
import { createClient } from 'graphql-ws'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { Principal } from '../../../../src/auth/principal.js'
import { AppError } from '../../../../src/errors.js'
import type { RequestContext } from '../../../../src/resolvers/context.js'
import { until } from '../../../support/process.js'
import { principalOf } from '../../support/gatewaySchema.js'
import { type SocketServer, startSockets } from '../../support/socketServer.js'

const SECRET = 'secret-4711'
const ENDLESS = 'x'.repeat(1_000_000)

async function* counting(): AsyncGenerator<Record<string, unknown>, void> {
  for (let count = 1; count <= 3; count++) yield { counts: count }
}

async function* failing(): AsyncGenerator<Record<string, unknown>, void> {
  yield { fails: 1 }
  throw new Error(SECRET)
}

async function* unavailable(): AsyncGenerator<Record<string, unknown>, void> {
  yield { isAway: 1 }
  throw new AppError('SERVICE_UNAVAILABLE', 'The store is away.')
}

async function* flooding(): AsyncGenerator<Record<string, unknown>, void> {
  for (;;) yield { floods: ENDLESS }
}

function waiting(): AsyncIterableIterator<unknown> {
  let end = () => {}
  const ended = new Promise<IteratorResult<unknown>>(resolve => {
    end = () => resolve({ done: true, value: undefined })
  })
  const source = {
    next: () => ended,
    async return() {
      end()
      return ended
    },
    [Symbol.asyncIterator]: () => source,
  }
  return source
}

const subscription = (subscribe: () => unknown, type: GraphQLScalarType = GraphQLInt) => ({ type, subscribe })

const schema = new GraphQLSchema({
  query: new GraphQLObjectType({ name: 'Query', fields: { one: { type: GraphQLInt, resolve: () => 1 } } }),
  subscription: new GraphQLObjectType({
    name: 'Subscription',
    fields: {
      counts: subscription(counting),
      fails: subscription(failing),
      isAway: subscription(unavailable),
      floods: subscription(flooding, GraphQLString),
      waits: subscription(waiting),
      throws: subscription(() => {
        throw new Error(SECRET)
      }),
      throwsText: subscription(() => Promise.reject(SECRET)),
      isNoStream: subscription(() => ({ secret: SECRET })),
      forbids: subscription(() => {
        throw new AppError('FORBIDDEN', 'Not you.')
      }),
    },
  }),
})

const printed = vi.spyOn(console, 'error')
let principal: Principal
let authenticate: () => Promise<Principal>
let contextOf: () => RequestContext
let server: SocketServer
beforeEach(async () => {
  principal = { ...principalOf('MONITOR'), id: 'watcher', tenant: 'north' }
  authenticate = async () => principal
  contextOf = () => ({ principal }) as RequestContext
  server = await startSockets({ schema, authenticate: () => authenticate(), contextOf: () => contextOf() })
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  expect(printed).not.toHaveBeenCalled()
})

type Errors = readonly { readonly message: string; readonly extensions: Readonly<Record<string, unknown>> }[]

/** All that a subscription sends until it ends: values of its root field, and errors. */
async function all(client: ReturnType<SocketServer['client']>, query: string) {
  const values: unknown[] = []
  const errors: Errors[number][] = []
  try {
    for await (const event of client.iterate({ query })) {
      if (event.data) values.push(...Object.values(event.data))
      errors.push(...((event.errors ?? []) as unknown as Errors))
    }
  } catch (error) {
    errors.push(...(error as Errors))
  }
  return { values, errors, codes: errors.map(({ extensions }) => extensions.code) }
}

/** A bare socket that has signed in, without a client library. */
async function signedIn(): Promise<WebSocket> {
  const socket = new WebSocket(server.address, 'graphql-transport-ws')
  await once(socket, 'open')
  socket.send('{"type":"connection_init"}')
  await once(socket, 'message')
  return socket
}

const subscribeMessage = (id: string, query: string) => JSON.stringify({ id, type: 'subscribe', payload: { query } })

describe('a subscription that fails', () => {
  it.each(['throws', 'throwsText', 'isNoStream'])('because it %s ends alone, with an error that shows nothing', async field => {
    const client = server.client()
    const beside = client.iterate({ query: 'subscription { waits }' })
    const next = beside.next()
    const { values, codes, errors } = await all(client, `subscription { ${field} }`)
    expect({ values, codes }).toEqual({ values: [], codes: ['INTERNAL_SERVER_ERROR'] })
    expect(JSON.stringify(errors)).not.toContain(SECRET)
    expect(server.reports).toHaveLength(1)
    expect((await all(client, 'subscription { counts }')).values).toEqual([1, 2, 3])
    expect(server.observed.map(({ operation, code }) => [operation, code])).toEqual([
      [field, 'INTERNAL_SERVER_ERROR'],
      ['counts', 'OK'],
    ])
    await beside.return?.()
    await next
  })

  it('because its context throws ends alone', async () => {
    contextOf = () => {
      throw new TypeError(SECRET)
    }
    const client = server.client()
    const { codes } = await all(client, 'subscription { counts }')
    expect(codes).toEqual(['INTERNAL_SERVER_ERROR'])
    expect(server.reports).toMatchObject([{ message: SECRET }])
    contextOf = () => ({ principal }) as RequestContext
    expect((await all(client, 'subscription { counts }')).values).toEqual([1, 2, 3])
  })

  it.each([
    ['fails', 'INTERNAL_SERVER_ERROR', 1],
    ['isAway', 'SERVICE_UNAVAILABLE', 0],
  ])('after its first event (%s) delivers that event, then ends with %s', async (field, code, reports) => {
    const client = server.client()
    const { values, codes } = await all(client, `subscription { ${field} }`)
    expect({ values, codes }).toEqual({ values: [1], codes: [code] })
    expect(server.reports).toHaveLength(reports)
    await server.observation(report => report.operation === field && report.code === code)
    expect((await all(client, 'subscription { counts }')).values).toEqual([1, 2, 3])
    expect(server.observed).toHaveLength(2)
  })
})

describe('a socket', () => {
  it('does not keep the payload that its client signed in with', async () => {
    // The message is small on the wire, and large when parsed.
    const hello = JSON.stringify({ type: 'connection_init', payload: { junk: Array(16_000).fill([]) } })
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const heap = () => {
      collect()
      return process.memoryUsage().heapUsed
    }
    const before = heap()
    const sockets = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const socket = new WebSocket(server.address, 'graphql-transport-ws')
        await once(socket, 'open')
        socket.send(hello)
        await once(socket, 'message')
        return socket
      }),
    )
    expect((heap() - before) / 100).toBeLessThan(100_000)
    for (const socket of sockets) socket.terminate()
  })

  it('that its client destroys during a flood of events causes no unexpected error', async () => {
    const socket = await signedIn()
    const flood = once(socket, 'message')
    socket.send(subscribeMessage('1', 'subscription { floods }'))
    await flood
    socket.pause()
    socket.terminate()
    expect(await server.observation(({ operation }) => operation === 'floods')).toMatchObject({ code: 'OK' })
    expect(server.reports).toEqual([])
  })

  it('is closed with 1013, which means retry, if its caller cannot be checked', async () => {
    authenticate = () => Promise.reject(new Error(SECRET))
    const socket = new WebSocket(server.address, 'graphql-transport-ws')
    await once(socket, 'open')
    socket.send('{"type":"connection_init"}')
    const [code, reason] = await once(socket, 'close')
    expect({ code, reason: String(reason) }).toEqual({ code: 1013, reason: 'Something went wrong on our side.' })
    expect(server.reports).toMatchObject([{ message: SECRET }])
  })

  it.each(['connection_ack', 'next', 'error'])('is closed with 4400 for a message that only servers send: %s', async type => {
    const socket = await signedIn()
    const payload = type === 'error' ? [new GraphQLError('x')] : {}
    socket.send(JSON.stringify(type === 'connection_ack' ? { type } : { type, id: '1', payload }))
    const [code] = await once(socket, 'close')
    expect(code).toBe(4400)
    expect(server.reports).toEqual([])
  })

  it('is closed with 4401 when its token has expired', async () => {
    principal = { ...principal, expiresAt: new Date(Date.now() + 100) }
    const socket = await signedIn()
    socket.send(subscribeMessage('1', 'subscription { waits }'))
    const [code, reason] = await once(socket, 'close')
    expect({ code, reason: String(reason) }).toEqual({ code: 4401, reason: 'The access token has expired; ask for a new one.' })
    await server.observation(({ operation }) => operation === 'waits')
    expect(server.observed).toMatchObject([
      { code: 'UNAUTHENTICATED', principal: { id: 'watcher' } },
      { code: 'UNAUTHENTICATED', operation: 'waits' },
    ])
    expect(server.observed[0]).not.toHaveProperty('operation')
  })
})

describe('a socket with many subscriptions', () => {
  it('carries 32, refuses only the next one, and accepts another once one has ended', async () => {
    const socket = await signedIn()
    const answer = async () => JSON.parse(String((await once(socket, 'message'))[0]))
    for (let i = 0; i < 32; i++) socket.send(subscribeMessage(`waits-${i}`, 'subscription { waits }'))
    socket.send(subscribeMessage('refused', 'subscription { counts }'))
    const message = 'A socket carries at most 32 subscriptions: complete one, or open another socket.'
    expect(await answer()).toEqual({ id: 'refused', type: 'error', payload: [{ message, extensions: { code: 'BAD_REQUEST' } }] })
    expect(await server.observation(({ operation }) => operation === 'counts')).toMatchObject({ code: 'BAD_REQUEST' })
    socket.send('{"id":"waits-7","type":"complete"}')
    await server.observation(({ operation }) => operation === 'waits')
    socket.send(subscribeMessage('taken', 'subscription { counts }'))
    expect(await answer()).toEqual({ id: 'taken', type: 'next', payload: { data: { counts: 1 } } })
    socket.terminate()
    await server.observation(({ operation, code }) => operation === 'counts' && code === 'OK')
  })

  it('has one message handled in each turn of the event loop, however many arrive at once', async () => {
    const socket = await signedIn()
    let [inThisTurn, most, seen] = [0, 0, 0]
    contextOf = () => {
      inThisTurn++
      seen++
      most = Math.max(most, inThisTurn)
      return { principal } as RequestContext
    }
    const nextTurn = () => {
      inThisTurn = 0
      if (seen < 30) setImmediate(nextTurn)
    }
    nextTurn()
    const frames = Array.from({ length: 30 }, (_, i) => subscribeMessage(`waits-${i}`, 'subscription { waits }'))
    const { _socket: tcp } = socket as unknown as { _socket: Socket }
    tcp.cork()
    for (const frame of frames) socket.send(frame)
    tcp.uncork()
    await until(() => seen === 30)
    // The test's immediate and the server's may run in either order within one turn.
    expect(most).toBeLessThanOrEqual(2)
    socket.terminate()
  })

  it('is closed with 4413 if it sends requests without reading the answers', async () => {
    const socket = await signedIn()
    socket.pause()
    const given = server.observation(({ code }) => code === 'SLOW_SUBSCRIBER')
    let asked = 0
    // The answers repeat the long ids, and so fill the buffers of the operating system soon.
    const timer = setInterval(() => {
      for (let i = 0; i < 10; i++) socket.send(subscribeMessage(String(asked++).padStart(20_000, '0'), '{ x }'))
    }, 20)
    await given
    clearInterval(timer)
    expect(server.observed.find(({ code }) => code === 'SLOW_SUBSCRIBER')).not.toHaveProperty('operation')
    socket.resume()
    expect((await once(socket, 'close'))[0]).toBe(4413)
  })
})

describe('the client of graphql-ws', () => {
  it('connects again after 4413', async () => {
    const codes: number[] = []
    let received = () => {}
    const first = new Promise<void>(resolve => {
      received = resolve
    })
    const client = createClient({ url: server.address, webSocketImpl: WebSocket, retryAttempts: 1, retryWait: async () => {} })
    client.on('closed', event => codes.push((event as { code: number }).code))
    const again = new Promise(resolve => client.on('connected', (_socket, _payload, wasRetry) => wasRetry && resolve('again')))
    const paused = new Promise<WebSocket>(resolve => client.on('connected', socket => resolve(socket as WebSocket)))
    client.subscribe({ query: 'subscription { floods }' }, { next: received, error: () => {}, complete: () => {} })
    const socket = await paused
    await first
    socket.pause()
    await server.observation(({ operation, code }) => operation === 'floods' && code === 'SLOW_SUBSCRIBER')
    socket.resume()
    expect(await again).toBe('again')
    expect(codes).toEqual([4413])
    client.terminate()
    await client.dispose()
  })
})

describe('the observation', () => {
  it('of each subscription comes once, at its end, with its caller and the id of its connection', async () => {
    const [first, second] = [server.client(), server.client()]
    await all(first, 'subscription { counts }')
    await all(first, 'subscription { forbids }')
    await all(first, 'subscription { unknown }')
    await all(first, 'query { one }')
    await all(second, 'subscription { counts }')
    await first.dispose()
    await second.dispose()
    const [id, other] = [server.observed[0]?.connectionId, server.observed[4]?.connectionId]
    expect(id).toMatch(/^[0-9a-f-]{36}$/)
    expect(other).not.toBe(id)
    const common = { connectionId: id, seconds: expect.any(Number), principal }
    expect(server.observed).toEqual([
      { ...common, operation: 'counts', code: 'OK' },
      { ...common, operation: 'forbids', code: 'FORBIDDEN' },
      { ...common, operation: 'none', code: 'GRAPHQL_VALIDATION_FAILED' },
      { ...common, operation: 'one', code: 'BAD_REQUEST' },
      { ...common, connectionId: other, operation: 'counts', code: 'OK' },
    ])
  })

  it.each<[string, (socket: WebSocket) => void]>([
    ['completes it', socket => socket.send('{"id":"1","type":"complete"}')],
    ['closes the socket', socket => socket.close()],
    ['is gone', socket => socket.terminate()],
  ])('of a subscription comes when its client %s', async (_how, end) => {
    const socket = await signedIn()
    const flood = once(socket, 'message')
    socket.send(subscribeMessage('1', 'subscription { floods }'))
    await flood
    end(socket)
    expect(await server.observation(() => true)).toMatchObject({ operation: 'floods', code: 'OK' })
    socket.terminate()
  })

  it('of a subscription whose id was used again comes, at the latest, when its socket is closed', async () => {
    const socket = await signedIn()
    socket.send(subscribeMessage('1', 'subscription { waits }'))
    socket.send('{"id":"1","type":"complete"}')
    socket.send(subscribeMessage('1', 'subscription { counts }'))
    await server.observation(({ operation }) => operation === 'counts')
    socket.terminate()
    await server.observation(({ operation }) => operation === 'waits')
    expect(server.observed).toHaveLength(2)
  })

  it.each<[string, string, number, (socket: WebSocket) => void]>([
    ['a malformed message', 'BAD_REQUEST', 4400, socket => socket.send('{')],
    ['a subscription before signing in', 'UNAUTHENTICATED', 4401, socket => socket.send(subscribeMessage('1', '{ one }'))],
    ['a frame that is too large', 'PAYLOAD_TOO_LARGE', 1009, socket => socket.send('x'.repeat(64 * 1024 + 1))],
    [
      'signing in twice',
      'BAD_REQUEST',
      4429,
      socket => {
        socket.send('{"type":"connection_init"}')
        socket.send('{"type":"connection_init"}')
      },
    ],
  ])('of a connection refused for %s comes once', async (_what, code, closeCode, send) => {
    const socket = new WebSocket(server.address, 'graphql-transport-ws')
    await once(socket, 'open')
    send(socket)
    expect(await once(socket, 'close')).toMatchObject([closeCode, expect.anything()])
    expect(server.observed).toMatchObject([{ code, connectionId: expect.any(String) }])
    expect(server.observed[0]).not.toHaveProperty('operation')
  })

  it('of a connection refused for its token comes once', async () => {
    authenticate = () => Promise.reject(new AppError('UNAUTHENTICATED', 'The access token is not valid here; ask for a new one.'))
    const { code, reason } = (await server
      .client()
      .iterate({ query: 'subscription { counts }' })
      .next()
      .catch((event: unknown) => event)) as { code: number; reason: string }
    expect({ code, reason }).toEqual({ code: 4401, reason: 'The access token is not valid here; ask for a new one.' })
    expect(server.observed).toMatchObject([{ code: 'UNAUTHENTICATED', principal: undefined }])
  })
})
