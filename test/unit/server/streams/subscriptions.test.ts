import { buildSchema, type GraphQLObjectType, type GraphQLSchema } from 'graphql'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Principal } from '../../../../src/auth/principal.js'
import { AppError } from '../../../../src/errors.js'
import type { RequestContext } from '../../../../src/resolvers/context.js'
import { OperationGate } from '../../../../src/server/operations/operationGate.js'
import { Delivery } from '../../../../src/server/streams/delivery.js'
import type { SubscribeRequest } from '../../../../src/server/streams/subscriptionDocument.js'
import { Subscriptions } from '../../../../src/server/streams/subscriptions.js'
import { principalOf } from '../../support/gatewaySchema.js'

const EVENTS = [{ name: 'one' }, { name: 'two' }, { name: 'three' }]
const WATCH = 'subscription($after: Int) { events(after: $after) { name } }'

/** Which event was executed for which principal, in order. */
let executed: string[]
let reports: unknown[]
let subscriptions: Subscriptions
beforeEach(() => {
  executed = []
  reports = []
  const schema = schemaOfEvents()
  subscriptions = new Subscriptions({
    schema,
    gate: new OperationGate({ schema, chargePoints: () => undefined, development: false }),
    contextOf: principal => ({ principal }) as RequestContext,
    report: (_id, error) => reports.push(error),
  })
})

function schemaOfEvents(): GraphQLSchema {
  const schema = buildSchema(`
    type Query { nothing: Int }
    type Subscription { events(after: Int): Event! }
    type Event { name(loud: Boolean): String copy(of: Int): Int forbidden: String broken: String away: String! }`)
  const { events } = (schema.getSubscriptionType() as GraphQLObjectType).getFields()
  const { name, copy, forbidden, broken, away } = (schema.getType('Event') as GraphQLObjectType).getFields()
  if (!events || !name || !copy || !forbidden || !broken || !away) throw new Error('The schema lacks a field.')
  events.subscribe = async function* (_root, { after = 0 }) {
    yield* EVENTS.slice(after)
  }
  events.resolve = event => event
  name.resolve = (event, { loud }, { principal }) => {
    executed.push(`${event.name} for ${principal.id}`)
    return loud ? event.name.toUpperCase() : event.name
  }
  copy.resolve = (_event, { of }) => of
  forbidden.resolve = () => {
    throw new AppError('FORBIDDEN', 'Not you.')
  }
  away.resolve = async ({ name: event }) => {
    if (event === 'two') throw new AppError('SERVICE_UNAVAILABLE', 'The store is away.')
    return event
  }
  broken.resolve = async () => {
    throw new Error('secret')
  }
  return schema
}

const watcher = (id: string, given: Partial<Principal> = {}): Principal => ({ ...principalOf('MONITOR'), id, ...given })

/** Opens a subscription that has not begun; `run` returns all its events, as JSON. */
async function subscribe(request: SubscribeRequest, principal: Principal) {
  const received: string[] = []
  const prepared = subscriptions.prepare(request, principal, ({ text, code }) => {
    received.push(`${code} ${text}`)
    return undefined
  })
  if ('errors' in prepared) throw prepared.errors[0]
  const delivery = await subscriptions.open(prepared.args)
  if (!(delivery instanceof Delivery)) throw delivery.errors?.[0]
  const run = async () => {
    await delivery.next()
    return received
  }
  return { delivery, received, run }
}

async function all(...subscribers: [SubscribeRequest, Principal][]): Promise<string[][]> {
  // All are open before the first event, like the subscribers of one feed.
  const opened = await Promise.all(subscribers.map(([request, principal]) => subscribe(request, principal)))
  return Promise.all(opened.map(({ run }) => run()))
}

const named = (name: string) => `OK {"data":{"events":{"name":"${name}"}}}`

describe('an event for several subscribers of one operation', () => {
  it('is executed once, and sent to each subscriber that has not passed it', async () => {
    const request = (after: number) => ({ query: WATCH, variables: { after } })
    const received = await all([request(0), watcher('a')], [request(2), watcher('b')], [request(1), watcher('c')])
    expect(received).toEqual([EVENTS.map(({ name }) => named(name)), [named('three')], [named('two'), named('three')]])
    expect(executed.map(line => line.split(' ')[0]).sort()).toEqual(['one', 'three', 'two'])
  })

  it('is executed again for another tenant, for other permissions, and for each principal that sees only its own data', async () => {
    const own = { permissions: new Set(['alert:read', 'prediction:read-own'] as const) }
    const watchers = [
      watcher('a'),
      watcher('same'),
      watcher('tenant', { tenant: 'north' }),
      watcher('permissions', principalOf('ANALYST') && { permissions: principalOf('ANALYST').permissions }),
      watcher('own', own),
      watcher('other own', own),
    ]
    const requests = watchers.map((principal): [SubscribeRequest, Principal] => [
      { query: WATCH, variables: { after: 2 } },
      principal,
    ])
    await all(...requests)
    const names = ['a', 'other own', 'own', 'permissions', 'tenant']
    expect(executed.sort()).toEqual(names.map(name => `three for ${name}`))
  })

  it('is executed again if variables differ that its fields read, even if the root field reads them too', async () => {
    const query = 'subscription($after: Int, $loud: Boolean) { events(after: $after) { name(loud: $loud) copy(of: $after) } }'
    const received = await all(
      [{ query, variables: { after: 2, loud: false } }, watcher('a')],
      [{ query, variables: { after: 2, loud: true } }, watcher('a')],
      [{ query, variables: { after: 1, loud: true } }, watcher('a')],
    )
    const event = (name: string, copy: number) => `OK {"data":{"events":{"name":"${name}","copy":${copy}}}}`
    expect(received).toEqual([[event('three', 2)], [event('THREE', 2)], [event('TWO', 1), event('THREE', 1)]])
  })

  it('is executed again for another document or another operation', async () => {
    const query = 'subscription A { events(after: 2) { name } } subscription B { events(after: 2) { name copy(of: 1) } }'
    const received = await all(
      [{ query, operationName: 'A' }, watcher('a')],
      [{ query, operationName: 'B' }, watcher('a')],
      [{ query: 'subscription { events(after: 2) { copy(of: 5) } }' }, watcher('a')],
    )
    expect(received).toEqual([
      [named('three')],
      ['OK {"data":{"events":{"name":"three","copy":1}}}'],
      ['OK {"data":{"events":{"copy":5}}}'],
    ])
  })

  it('is sent to each with its errors and its data, and its unexpected error is reported once', async () => {
    const request = { query: 'subscription { events(after: 2) { forbidden broken name } }' }
    const [first, second] = await all([request, watcher('a')], [request, watcher('b')])
    expect(first).toEqual(second)
    expect(first).toHaveLength(1)
    expect(first?.[0]).toMatch(
      /^FORBIDDEN {"errors":\[.*"code":"FORBIDDEN".*"errorId".*\],"data":{"events":{.*"name":"three"}}}$/,
    )
    expect(first?.[0]).not.toContain('secret')
    expect(reports).toMatchObject([{ message: 'secret' }])
  })

  it('ends subscriptions for which its data is null for a transient error, so that they resume before it', async () => {
    const request = { query: 'subscription { events { away } }' }
    const opened = await Promise.all([subscribe(request, watcher('a')), subscribe(request, watcher('b'))])
    for (const { run, received } of opened) {
      await expect(run()).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
      expect(received).toEqual(['OK {"data":{"events":{"away":"one"}}}'])
    }
  })
})

describe('a delivery', () => {
  it('takes no further event until the last one has been accepted', async () => {
    let go = () => {}
    const received: string[] = []
    const prepared = subscriptions.prepare({ query: WATCH }, watcher('a'), ({ text }) => {
      received.push(text)
      return new Promise(resolve => {
        go = resolve
      })
    })
    const delivery = 'args' in prepared ? await subscriptions.open(prepared.args) : undefined
    if (!(delivery instanceof Delivery)) throw new Error('It was not opened.')
    const ended = delivery.next()
    for (const count of [1, 2, 3]) {
      await new Promise(setImmediate)
      expect(received).toHaveLength(count)
      go()
    }
    expect(await ended).toEqual({ done: true, value: undefined })
  })

  it('that is given up before it begins sends nothing, and does not stay a subscriber', async () => {
    const { delivery, run, received } = await subscribe({ query: WATCH }, watcher('a'))
    await delivery.return()
    await run()
    expect(received).toEqual([])
    // If it had stayed, this event would run in its context.
    await all([{ query: WATCH, variables: { after: 2 } }, watcher('b')])
    expect(executed).toEqual(['three for b'])
  })
})
