import { describe, expect, it } from 'vitest'
import { SendQueue } from '../../../../src/server/streams/sendQueue.js'
import { WriteRounds } from '../../../../src/server/streams/writeRounds.js'

const turn = () => new Promise(setImmediate)

/** A send queue whose texts leave the wire when the test calls `left`. */
function sendQueueOf(rounds = new WriteRounds()) {
  const writes: { texts: readonly string[]; left: () => void }[] = []
  let stalls = 0
  const wire = {
    write: (texts: readonly string[], left: () => void) => writes.push({ texts, left }),
    isBacklogged: false,
  }
  const sendQueue = new SendQueue({
    wire,
    rounds,
    stalled: () => {
      stalls++
    },
  })
  return { sendQueue, writes, stalls: () => stalls, written: () => writes.map(({ texts }) => texts.join('')) }
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  await turn()
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

describe('a send queue', () => {
  it('writes the texts of one turn together, and later texts once those have left', async () => {
    const { sendQueue, writes, written } = sendQueueOf()
    sendQueue.push('a')
    sendQueue.push('b')
    expect(written()).toEqual([])
    await turn()
    expect(written()).toEqual(['ab'])
    sendQueue.push('c')
    sendQueue.push('d')
    await turn()
    expect(written()).toEqual(['ab'])
    writes[0]?.left()
    // Rounds rest after one that took long.
    await expect.poll(written).toEqual(['ab', 'cd'])
  })

  it('makes senders wait past 64 KiB until those have left', async () => {
    const { sendQueue, writes } = sendQueueOf()
    expect(sendQueue.push('x'.repeat(60_000))).toBeUndefined()
    const wait = sendQueue.push('y'.repeat(10_000)) as Promise<void>
    expect(await isSettled(wait)).toBe(false)
    writes[0]?.left()
    expect(await isSettled(wait)).toBe(true)
    expect(sendQueue.push('z')).toBeUndefined()
  })

  it('reports when all texts so far have left, even if more were pushed after them', async () => {
    const { sendQueue, writes } = sendQueueOf()
    sendQueue.push('a')
    const left = sendQueue.left()
    await turn()
    sendQueue.push('b')
    expect(await isSettled(left)).toBe(false)
    writes[0]?.left()
    expect(await isSettled(left)).toBe(true)
    expect(await isSettled(sendQueue.left())).toBe(false)
  })

  it('gives up a client once more than 1 MiB waits for it, and releases waiting senders', async () => {
    const { sendQueue, stalls, written } = sendQueueOf()
    const waits = [sendQueue.push('x'.repeat(600_000)), sendQueue.push('x'.repeat(600_000))] as Promise<void>[]
    expect(stalls()).toBe(0)
    const refused = sendQueue.push('more') as Promise<void>
    sendQueue.push('and more')
    expect(stalls()).toBe(1)
    expect(await isSettled(Promise.all(waits))).toBe(true)
    // A later sender must wait: it would otherwise spin until the socket is closed.
    expect(await isSettled(refused)).toBe(false)
    sendQueue.close()
    expect(await isSettled(refused)).toBe(true)
    expect(written()).toEqual([])
  })

  it('writes the texts that it holds when it ends, and accepts no more', async () => {
    const { sendQueue, written } = sendQueueOf()
    sendQueue.push('a')
    sendQueue.end()
    expect(written()).toEqual(['a'])
    const after = sendQueue.push('b') as Promise<void>
    expect(await isSettled(after)).toBe(false)
    sendQueue.close()
    expect(await isSettled(after)).toBe(true)
    expect(written()).toEqual(['a'])
  })
})

describe('rounds of writing', () => {
  it('pause after a slow round, and then write all texts of the pause together', async () => {
    const rounds = new WriteRounds()
    const { sendQueue, writes, written } = sendQueueOf(rounds)
    const busy = (until: number) => {
      while (performance.now() < until);
    }
    rounds.add({ flush: () => busy(performance.now() + 10) })
    await turn()
    sendQueue.push('a')
    await turn()
    sendQueue.push('b')
    expect(written()).toEqual([])
    await expect.poll(written).toEqual(['ab'])
    writes[0]?.left()
  })
})
