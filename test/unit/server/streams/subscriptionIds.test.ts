import { describe, expect, it } from 'vitest'
import { SubscriptionIds } from '../../../../src/server/streams/subscriptionIds.js'
import { oneOf, type Random, randomFrom } from '../../../support/random.js'

/** One socket with a random client, step by step. */
function exchange(random: Random) {
  const ids = new SubscriptionIds()
  const running = new Map<string, string>()
  const names = ['1', '2', '3', '4', 'a']
  const own = (message: object) => {
    const text = ids.incoming(JSON.stringify(message))
    return text === undefined ? undefined : (JSON.parse(text) as { id: string }).id
  }
  return () => {
    const id = oneOf(random, names)
    const known = running.get(id)
    const [doesSubscribe, isEndedByServer] = [random() < 0.5, random() < 0.5]
    if (doesSubscribe) {
      const ownId = own({ id, type: 'subscribe', payload: { query: '' } })
      expect(ownId === undefined).toBe(known !== undefined)
      if (ownId !== undefined) {
        expect([...running.values()]).not.toContain(ownId)
        running.set(id, ownId)
      }
    } else if (known !== undefined && isEndedByServer) {
      // The server ends it, at about the time when its client does.
      expect(JSON.parse(ids.outgoing(JSON.stringify({ id: known, type: 'complete' })))).toEqual({ id, type: 'complete' })
      running.delete(id)
    } else {
      const ended = own({ id, type: 'complete' })
      running.delete(id)
      if (known === undefined) expect([...running.values()]).not.toContain(ended)
      else expect(ended).toBe(known)
    }
  }
}

describe('the ids of the subscriptions of a socket', () => {
  it('end the subscription of the client and no other, whichever ids it uses', () => {
    const random = randomFrom(7)
    // Short ones: own ids soon grow past those of the client.
    for (let socket = 0; socket < 200; socket++) {
      const step = exchange(random)
      for (let i = 0; i < 12; i++) step()
    }
  })

  it('give a completion of an ended subscription an id that none has', () => {
    const ids = new SubscriptionIds()
    ids.incoming('{"id":"alerts","type":"subscribe"}')
    expect(ids.incoming('{"id":"1","type":"complete"}')).toBe('{"id":"1","type":"complete","id":"0"}')
  })
})
