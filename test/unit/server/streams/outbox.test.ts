import { describe, expect, it } from 'vitest'
import { Outbox } from '../../../../src/server/streams/outbox.js'
import { WriteRounds } from '../../../../src/server/streams/writeRounds.js'

const turn = () => new Promise(setImmediate)

/** An outbox whose texts leave the wire when the test calls `left`. */
function outboxOf(rounds = new WriteRounds()) {
  const writes: { texts: readonly string[]; left: () => void }[] = []
  let stalls = 0
  const wire = {
    write: (texts: readonly string[], left: () => void) => writes.push({ texts, left }),
    isBacklogged: false,
  }
  const outbox = new Outbox({
    wire,
    rounds,
    stalled: () => {
      stalls++
    },
  })
  return { outbox, writes, stalls: () => stalls, written: () => writes.map(({ texts }) => texts.join('')) }
}

async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending')
  await turn()
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending
}

describe('an outbox', () => {
  it('writes the texts of one turn together, and later texts once those have left', async () => {
    const { outbox, writes, written } = outboxOf()
    outbox.push('a')
    outbox.push('b')
    expect(written()).toEqual([])
    await turn()
    expect(written()).toEqual(['ab'])
    outbox.push('c')
    outbox.push('d')
    await turn()
    expect(written()).toEqual(['ab'])
    writes[0]?.left()
    await turn()
    expect(written()).toEqual(['ab', 'cd'])
  })

  it('makes senders wait past 64 KiB until those have left', async () => {
    const { outbox, writes } = outboxOf()
    expect(outbox.push('x'.repeat(60_000))).toBeUndefined()
    const wait = outbox.push('y'.repeat(10_000)) as Promise<void>
    expect(await isSettled(wait)).toBe(false)
    writes[0]?.left()
    expect(await isSettled(wait)).toBe(true)
    expect(outbox.push('z')).toBeUndefined()
  })

  it('reports when all texts so far have left, even if more were pushed after them', async () => {
    const { outbox, writes } = outboxOf()
    outbox.push('a')
    const left = outbox.left()
    await turn()
    outbox.push('b')
    expect(await isSettled(left)).toBe(false)
    writes[0]?.left()
    expect(await isSettled(left)).toBe(true)
    expect(await isSettled(outbox.left())).toBe(false)
  })

  it('gives up a client once more than 1 MiB waits for it, and releases waiting senders', async () => {
    const { outbox, stalls, written } = outboxOf()
    const waits = [outbox.push('x'.repeat(600_000)), outbox.push('x'.repeat(600_000))] as Promise<void>[]
    expect(stalls()).toBe(0)
    const refused = outbox.push('more') as Promise<void>
    outbox.push('and more')
    expect(stalls()).toBe(1)
    expect(await isSettled(Promise.all(waits))).toBe(true)
    // A later sender must wait: it would otherwise spin until the socket is closed.
    expect(await isSettled(refused)).toBe(false)
    outbox.close()
    expect(await isSettled(refused)).toBe(true)
    expect(written()).toEqual([])
  })

  it('writes the texts that it holds when it ends, and accepts no more', async () => {
    const { outbox, written } = outboxOf()
    outbox.push('a')
    outbox.end()
    expect(written()).toEqual(['a'])
    const after = outbox.push('b') as Promise<void>
    expect(await isSettled(after)).toBe(false)
    outbox.close()
    expect(await isSettled(after)).toBe(true)
    expect(written()).toEqual(['a'])
  })
})

describe('rounds of writing', () => {
  it('pause after a slow round, and then write all texts of the pause together', async () => {
    const rounds = new WriteRounds()
    const { outbox, writes, written } = outboxOf(rounds)
    const busy = (until: number) => {
      while (performance.now() < until);
    }
    rounds.add({ flush: () => busy(performance.now() + 10) })
    await turn()
    outbox.push('a')
    await turn()
    outbox.push('b')
    expect(written()).toEqual([])
    await expect.poll(written).toEqual(['ab'])
    writes[0]?.left()
  })
})
