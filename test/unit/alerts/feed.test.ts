import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AlertFeed, type FeedRequest } from '../../../src/alerts/feed.js'
import { LocalHints } from '../../../src/alerts/hints.js'
import { AppError } from '../../../src/errors.js'
import type { HighRiskAlert } from '../../../src/scoring/prediction.js'
import { randomFrom } from '../../support/random.js'
import { cursorAt, MemoryAlertLog } from '../support/memoryAlertLog.js'

const DONE = { done: true, value: undefined }

describe('the alert feed', () => {
  let log: MemoryAlertLog
  let hints: LocalHints
  let feed: AlertFeed
  const failures: unknown[] = []

  beforeEach(async () => {
    log = new MemoryAlertLog()
    hints = new LocalHints()
    failures.length = 0
    feed = new AlertFeed({ log, hints, failed: error => failures.push(error), heldBack: () => {} })
    await feed.start()
  })
  afterEach(() => feed.stop())

  const subscribe = (request: Partial<FeedRequest> = {}) =>
    feed.subscribe({ tenant: 'default', after: undefined, matches: () => true, ...request })
  const live = (count: number) => vi.waitFor(() => expect(feed.subscribers).toBe(count), { interval: 1 })

  function append(count: number, tenant = 'default'): string[] {
    const cursors = Array.from({ length: count }, () => log.append(tenant).cursor)
    hints.publish()
    return cursors
  }

  async function take(subscription: AsyncIterator<HighRiskAlert>, count: number): Promise<string[]> {
    const cursors: string[] = []
    while (cursors.length < count) {
      const { value, done } = await subscription.next()
      if (done) break
      cursors.push((value as HighRiskAlert).cursor)
    }
    return cursors
  }

  it('without a cursor gives the alerts that come after the subscription', async () => {
    append(3)
    const late = new AlertFeed({ log, hints, failed: error => failures.push(error), heldBack: () => {} })
    await late.start()
    const subscription = await late.subscribe({ tenant: 'default', after: undefined, matches: () => true })
    const first = subscription.next()
    const [expected] = append(1)
    expect(await first).toMatchObject({ value: { cursor: expected } })
    await late.stop()
  })

  it('does not read the log while it has no subscribers', async () => {
    append(3)
    const subscription = await subscribe()
    const first = subscription.next()
    await live(1)
    append(1)
    await first
    await subscription.return?.()
    await live(0)
    const pause = () => new Promise(resolve => setTimeout(resolve, 50))
    await pause()
    const reads = log.reads
    append(5)
    await pause()
    expect(log.reads).toBe(reads)
  })

  it('gives the alerts since a cursor, over many pages, then new alerts, each once', async () => {
    const before = append(1_203)
    const subscription = await subscribe({ after: before[2] as string })
    expect(await take(subscription, 1_200)).toEqual(before.slice(3))
    const next = subscription.next()
    await live(1)
    const after = append(2)
    expect([(await next).value?.cursor, ...(await take(subscription, 1))]).toEqual(after)
  })

  it('gives only alerts of the tenant that match the request', async () => {
    const subscription = await subscribe({ after: cursorAt(0), matches: ({ prediction }) => prediction.band === 'T8' })
    append(2, 'other')
    log.append('default', { band: 'T7' })
    const expected = append(1)
    expect(await take(subscription, 1)).toEqual(expected)
    const next = subscription.next()
    await live(1)
    append(2, 'other')
    log.append('default', { band: 'T7' })
    const [last] = append(1)
    expect((await next).value?.cursor).toBe(last)
  })

  it('finds an alert without any hint', async () => {
    const subscription = await subscribe()
    const next = subscription.next()
    await live(1)
    const { cursor } = log.append()
    expect((await next).value?.cursor).toBe(cursor)
  })

  it('gives an alert that was held back as soon as it is settled, without a second hint', async () => {
    const subscription = await subscribe()
    const next = subscription.next()
    await live(1)
    const { cursor } = log.write()
    hints.publish()
    const reads = log.reads
    await vi.waitFor(() => expect(log.reads).toBeGreaterThan(reads + 1), { interval: 1 })
    log.settle()
    expect((await next).value?.cursor).toBe(cursor)
  })

  it('serves a subscriber from the log again once it has fallen behind by more than its mailbox holds', async () => {
    const subscription = await subscribe()
    const next = subscription.next()
    await live(1)
    const [first] = append(1)
    expect((await next).value?.cursor).toBe(first)
    const flood = append(2_500)
    await vi.waitFor(() => expect(log.reads).toBeGreaterThan(6), { interval: 1 })
    const asked: string[] = []
    log.beforeAnswer = ({ tenant }) => {
      if (tenant !== undefined) asked.push(tenant)
    }
    expect(await take(subscription, 2_500)).toEqual(flood)
    expect(asked.length).toBeGreaterThan(0)
    const last = subscription.next()
    const [cursor] = append(1)
    expect((await last).value?.cursor).toBe(cursor)
  })

  it('refuses a foreign cursor before the first alert', async () => {
    await expect(subscribe({ after: 'canary' })).rejects.toMatchObject({ code: 'BAD_CURSOR' })
    expect(feed.subscribers).toBe(0)
  })

  it('ends a subscription at once when its subscriber leaves while waiting, and frees the mailbox', async () => {
    const subscription = await subscribe()
    const waiting = subscription.next()
    await live(1)
    await subscription.return?.()
    expect(await waiting).toEqual(DONE)
    expect(feed.subscribers).toBe(0)
    expect(await subscription.next()).toEqual(DONE)
  })

  it('ends a subscription when its subscriber leaves before the first alert, or between two', async () => {
    const untouched = await subscribe()
    await untouched.return?.()
    expect(await untouched.next()).toEqual(DONE)
    append(2)
    const reading = await subscribe({ after: cursorAt(0) })
    expect(await take(reading, 1)).toHaveLength(1)
    await reading.return?.()
    expect(await reading.next()).toEqual(DONE)
    expect(feed.subscribers).toBe(0)
  })

  /** Holds the next read for a single subscriber until the returned function is called. */
  function holdRead(): { isHeld: Promise<void>; letGo: () => void } {
    let letGo = () => {}
    const isHeld = new Promise<void>(held => {
      log.beforeAnswer = ({ tenant }) => {
        if (tenant === undefined) return
        log.beforeAnswer = () => {}
        held()
        return new Promise<void>(resolve => {
          letGo = resolve
        })
      }
    })
    return { isHeld, letGo: () => letGo() }
  }

  /** Holds the next read of the shared reader until the returned function is called. */
  function holdReader(): { isHeld: Promise<void>; letGo: () => void } {
    let letGo = () => {}
    const isHeld = new Promise<void>(held => {
      log.beforeAnswer = ({ tenant }) => {
        if (tenant !== undefined) return
        log.beforeAnswer = () => {}
        held()
        return new Promise<void>(resolve => {
          letGo = resolve
        })
      }
    })
    return { isHeld, letGo: () => letGo() }
  }

  it('ends a subscription when its subscriber leaves while the log is read for it', async () => {
    const { isHeld, letGo } = holdRead()
    const subscription = await subscribe()
    const waiting = subscription.next()
    await isHeld
    const returned = subscription.return?.()
    letGo()
    await returned
    expect(await waiting).toEqual(DONE)
    expect(feed.subscribers).toBe(0)
  })

  it('ends every subscription when it stops, also one for which the log is being read', async () => {
    const subscriptions = [await subscribe(), await subscribe({ tenant: 'other' })]
    const waiting = subscriptions.map(subscription => subscription.next())
    await live(2)
    const { isHeld, letGo } = holdRead()
    const late = await subscribe()
    const reading = late.next()
    await isHeld
    await feed.stop()
    letGo()
    expect(await Promise.all([...waiting, reading])).toEqual([DONE, DONE, DONE])
    expect(feed.subscribers).toBe(0)
    expect(await (await subscribe({ after: cursorAt(0) })).next()).toEqual(DONE)
  })

  it('skips no alert when it stops while a subscriber catches up', async () => {
    const other = await subscribe({ tenant: 'other' })
    let heard = other.next()
    await live(1)
    /** Waits until the reader has passed on all alerts of the log. */
    const caughtUp = async () => {
      append(1, 'other')
      await heard
      heard = other.next()
    }
    const written = append(1)
    let pages = 0
    log.beforeAnswer = async ({ tenant }) => {
      if (tenant !== 'default') return
      pages++
      // More than one page lies between the subscriber's position and the opening of its mailbox.
      if (pages === 1) {
        written.push(...append(1_200))
        await caughtUp()
      }
      // The feed stops when the subscriber has read part of that, and the newest alerts are in its mailbox.
      if (pages === 3) {
        written.push(...append(3))
        await caughtUp()
        void feed.stop()
      }
    }
    const got = await take(await subscribe({ after: cursorAt(0) }), 2_000)
    expect(got.length).toBeGreaterThan(500)
    expect(got).toEqual(written.slice(0, got.length))
    expect(await heard).toEqual(DONE)
  })

  it('begins anew when its own position has expired: its subscriptions end, and new ones work', async () => {
    const [first] = append(1)
    const subscription = await subscribe({ after: cursorAt(0) })
    expect(await take(subscription, 1)).toEqual([first])
    const next = subscription.next()
    await live(1)
    // The reader is held for longer than alerts are kept.
    const { letGo, isHeld } = holdReader()
    append(40, 'other')
    await isHeld
    log.expire(20)
    letGo()
    await expect(next).rejects.toMatchObject({ code: 'CURSOR_EXPIRED' })
    expect(failures).toMatchObject([{ code: 'CURSOR_EXPIRED' }])
    expect(feed.subscribers).toBe(0)
    const again = await subscribe({ after: cursorAt(30) })
    const last = again.next()
    await live(1)
    const [cursor] = append(1)
    expect((await last).value?.cursor).toBe(cursor)
    expect(failures).toHaveLength(1)
  })

  it('sends no CURSOR_EXPIRED to a subscriber that only had no alert for a long time', async () => {
    const busy = await subscribe({ tenant: 'other' })
    const heard = busy.next()
    await live(1)
    const old = cursorAt(0)
    append(40, 'other')
    await heard
    const quiet = await subscribe({ after: old })
    const next = quiet.next()
    await live(2)
    log.expire(30)
    // The mailbox is closed without ever having held an alert.
    const { letGo, isHeld } = holdReader()
    hints.publish()
    await isHeld
    log.beforeAnswer = ({ tenant }) => {
      if (tenant !== undefined) return
      log.beforeAnswer = () => {}
      throw new AppError('CURSOR_EXPIRED', 'The position of the reader has expired.')
    }
    letGo()
    await vi.waitFor(() => expect(failures).toHaveLength(1), { interval: 1 })
    const [cursor] = append(1)
    expect((await next).value?.cursor).toBe(cursor)
  })

  it('measures how long a single alert is held back, not how long one after another is', async () => {
    const subscription = await subscribe()
    const reading = take(subscription, 40)
    await live(1)
    log.isHeldBack = async () => true
    const waits: number[] = []
    const startedAt = performance.now()
    for (let i = 0; i < 40; i++) {
      append(1)
      await new Promise(resolve => setTimeout(resolve, 15))
      waits.push(feed.heldBackSeconds)
    }
    await reading
    // Each wait is only a part of the whole time during which alerts were held back.
    expect(Math.max(...waits)).toBeLessThan(((performance.now() - startedAt) / 1_000) * 0.7)
  })

  it('may be stopped twice, and reads no more afterwards', async () => {
    await Promise.all([feed.stop(), feed.stop()])
    const { reads } = log
    append(1)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    expect(log.reads).toBe(reads)
  })

  it('goes on after a failed read of the log, and loses no alert', async () => {
    const subscription = await subscribe()
    const next = subscription.next()
    await live(1)
    const error = new Error('the database is away')
    log.beforeAnswer = () => {
      log.beforeAnswer = () => {}
      throw error
    }
    const [first] = append(1)
    await vi.waitFor(() => expect(failures).toEqual([error]), { interval: 1 })
    hints.publish()
    expect((await next).value?.cursor).toBe(first)
  })

  it('ends and frees only the subscription for which the log could not be read', async () => {
    const error = new Error('the database is away')
    log.beforeAnswer = ({ tenant }) => {
      if (tenant !== undefined) throw error
    }
    const subscription = await subscribe()
    await expect(subscription.next()).rejects.toBe(error)
    expect(feed.subscribers).toBe(0)
  })

  describe('while the log cannot be read', () => {
    const AWAY = new AppError('SERVICE_UNAVAILABLE', 'The store is not available at the moment.')
    const away = (times: number) => {
      for (const method of ['now', 'check', 'read'] as const) {
        const spy = vi.spyOn(log, method)
        for (let i = 0; i < times; i++) spy.mockRejectedValueOnce(AWAY)
      }
    }
    afterEach(() => vi.restoreAllMocks())

    it('resumes a subscription as soon as the log is back, and loses no alert', async () => {
      const [, second] = append(2)
      away(2)
      const subscription = await subscribe({ after: cursorAt(1) })
      expect((await subscription.next()).value?.cursor).toBe(second)
    })

    it('begins a subscription without a cursor as soon as the log is back', async () => {
      away(2)
      const subscription = await subscribe()
      const first = subscription.next()
      await vi.waitFor(() => expect(feed.subscribers).toBe(1), 3_000)
      const [expected] = append(1)
      expect((await first).value?.cursor).toBe(expected)
    })

    it('refuses a wrong cursor as soon as the log is back', async () => {
      vi.spyOn(log, 'check').mockRejectedValueOnce(AWAY)
      const subscription = await subscribe({ after: 'nonsense' })
      await expect(subscription.next()).rejects.toMatchObject({ code: 'BAD_CURSOR' })
    })

    it('stops asking once the client has left, or the feed has stopped', async () => {
      const check = vi.spyOn(log, 'check').mockRejectedValue(AWAY)
      const [gone, left] = await Promise.all([subscribe({ after: cursorAt(0) }), subscribe({ after: cursorAt(0) })])
      const ends = [gone.next(), left.next()]
      await vi.waitFor(() => expect(check).toHaveBeenCalledTimes(4), { interval: 1 })
      await gone.return?.()
      expect(await ends[0]).toEqual(DONE)
      await feed.stop()
      expect(await ends[1]).toEqual(DONE)
      expect(check).toHaveBeenCalledTimes(4)
    })
  })

  it('reads for four subscribers at a time when many resume together', async () => {
    const [first] = append(1)
    let [reading, most] = [0, 0]
    log.beforeAnswer = async ({ tenant }) => {
      if (tenant === undefined) return
      most = Math.max(most, ++reading)
      await nextTurn()
      reading--
    }
    const subscriptions = await Promise.all(Array.from({ length: 50 }, () => subscribe({ after: cursorAt(0) })))
    const cursors = await Promise.all(subscriptions.map(async subscription => (await subscription.next()).value?.cursor))
    expect(cursors).toEqual(Array(50).fill(first))
    expect(most).toBe(4)
    for (const subscription of subscriptions) await subscription.return?.()
  })

  it.each([1, 2, 3, 4, 5, 6])(
    'neither loses nor repeats an alert, however reads, writes and subscriptions interleave (seed %d)',
    async seed => {
      const random = randomFrom(seed)
      const turns = async (most: number) => {
        for (let turn = Math.floor(random() * most); turn > 0; turn--) await nextTurn()
      }
      const tenants = ['default', 'other']
      const cursors: Record<string, string[]> = { default: [], other: [] }
      log.beforeAnswer = () => turns(3)
      const readers: Promise<void>[] = []
      let isWritten = false

      async function read(tenant: string): Promise<void> {
        const known = cursors[tenant] ?? []
        const from = Math.floor(random() * known.length)
        const after = known.length === 0 || random() < 0.2 ? cursorAt(0) : (known[from] as string)
        const subscription = await subscribe({ tenant, after })
        const got: string[] = []
        const expected = () => known.filter(cursor => cursor > after)
        while (!isWritten || got.length < expected().length) {
          const { value } = await subscription.next()
          got.push((value as HighRiskAlert).cursor)
          if (random() < 0.01) await turns(20)
        }
        await subscription.return?.()
        expect(got).toEqual(expected())
      }

      for (let step = 0; step < 60; step++) {
        const tenant = tenants[Math.floor(random() * 2)] ?? 'default'
        const burst = random() < 0.05 ? 1_200 : Math.floor(random() * 20)
        for (let i = 0; i < burst; i++) cursors[tenant]?.push(log.write(tenant).cursor)
        if (random() < 0.7) log.settle()
        if (random() < 0.7) hints.publish()
        if (readers.length < 8 && random() < 0.3) readers.push(read(tenant))
        await turns(4)
      }
      // A last alert for each tenant, because a reader may wait for one more.
      for (const tenant of tenants) cursors[tenant]?.push(log.write(tenant).cursor)
      isWritten = true
      log.settle()
      hints.publish()
      await Promise.all(readers)
      expect(readers.length).toBeGreaterThan(3)
      expect(feed.subscribers).toBe(0)
      expect(failures).toEqual([])
    },
  )
})
