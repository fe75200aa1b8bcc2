import { describe, expect, it } from 'vitest'
import { Outbox } from '../../../../src/server/streams/outbox.js'
import { WriteRounds } from '../../../../src/server/streams/writeRounds.js'

const turn = () => new Promise(setImmediate)

/** An outbox whose texts leave when the test says so. */
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
  it('writes at once what one turn brings, together, and what comes meanwhile when that has left', async () => {
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

  it('lets nobody go on past 64 KiB until that has left', async () => {
    const { outbox, writes } = outboxOf()
    expect(outbox.push('x'.repeat(60_000))).toBeUndefined()
    const wait = outbox.push('y'.repeat(10_000)) as Promise<void>
    expect(await isSettled(wait)).toBe(false)
    writes[0]?.left()
    expect(await isSettled(wait)).toBe(true)
    expect(outbox.push('z')).toBeUndefined()
  })

  it('says when all that was pushed has left, whatever was pushed behind it', async () => {
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

  it('gives a client up once that lets more than 1 MiB wait, and lets go whoever waits', async () => {
    const { outbox, stalls, written } = outboxOf()
    const waits = [outbox.push('x'.repeat(600_000)), outbox.push('x'.repeat(600_000))] as Promise<void>[]
    expect(stalls()).toBe(0)
    const refused = outbox.push('more') as Promise<void>
    outbox.push('and more')
    expect(stalls()).toBe(1)
    expect(await isSettled(Promise.all(waits))).toBe(true)
    // Else whoever pushes on would spin until the socket is closed.
    expect(await isSettled(refused)).toBe(false)
    outbox.close()
    expect(await isSettled(refused)).toBe(true)
    expect(written()).toEqual([])
  })

  it('that has ended hands over what it holds, and takes no more', async () => {
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
  it('rest after a round that took long, and write all that came meanwhile together', async () => {
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
