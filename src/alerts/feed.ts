import { setTimeout as sleep } from 'node:timers/promises'
import { Turns } from '../concurrency/turns.js'
import { AppError } from '../errors.js'
import type { HighRiskAlert } from '../scoring/prediction.js'
import type { AlertLog } from './alertLog.js'
import { HeldBackWatch } from './heldBackWatch.js'
import type { AlertHints } from './hints.js'
import { Mailbox } from './mailbox.js'

// Without any hint an alert is found after this long at the latest.
export const POLL_MS = 500
// An alert waits behind an open transaction: look again soon, since no further hint may come.
const HELD_BACK_MS = 20
// While nobody subscribes here: clients that poll and webhooks wait behind an open transaction too.
const UNHEARD_MS = 2_000
// Under load every commit sends a hint: one read serves several of them, or the reader would query without a pause.
const REST_MS = 10
const PAGE = 500
// A subscriber that falls further behind than this is served from the store again, so that memory stays bounded.
const MAILBOX_SIZE = 1_000
// Hundreds of subscribers may resume at once: the history keeps connections, and none of their reads waits past its deadline.
const CATCH_UPS_AT_ONCE = 4
const POSITION_IS_GONE: ReadonlySet<string> = new Set(['BAD_CURSOR', 'CURSOR_EXPIRED'])

export interface AlertFeedOptions {
  readonly log: AlertLog
  readonly hints: AlertHints
  readonly failed: (error: unknown) => void
  /** Called once each time alerts have waited for over a second behind an open transaction. */
  readonly heldBack: (holder: string) => void
  /** Called for each alert of a tenant with subscribers, as soon as it is in their mailboxes. */
  readonly delivered?: (alert: HighRiskAlert) => void
}

type AlertGenerator = AsyncGenerator<HighRiskAlert, void, undefined>

export interface FeedRequest {
  readonly tenant: string
  /** Resume after this cursor; undefined: from now on. */
  readonly after: string | undefined
  readonly matches: (alert: HighRiskAlert) => boolean
}

/** One reader of the log for all subscribers of this process. */
export class AlertFeed {
  readonly #options: AlertFeedOptions
  readonly #held = new HeldBackWatch(async () => this.#options.heldBack(await this.#options.log.holder()))
  readonly #mailboxes = new Map<string, Set<Mailbox>>()
  readonly #turns = new Turns(CATCH_UPS_AT_ONCE)
  /** Every alert up to this position has been handed to the mailboxes that were open. */
  #position = ''
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined
  #isWoken = false
  #restsUntil = 0
  #stopped = false
  #unsubscribe = () => {}

  constructor(options: AlertFeedOptions) {
    this.#options = options
  }

  get subscribers(): number {
    return [...this.#mailboxes.values()].reduce((sum, { size }) => sum + size, 0)
  }

  /** How long the oldest alert that cannot be delivered yet has waited behind an open transaction. */
  get heldBackSeconds(): number {
    return this.#held.seconds
  }

  async start(): Promise<void> {
    this.#position = await this.#options.log.now()
    this.#unsubscribe = this.#options.hints.subscribe(() => this.#wake())
    this.#readAfter(0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    clearTimeout(this.#timer)
    for (const mailboxes of this.#mailboxes.values()) for (const mailbox of mailboxes) mailbox.close()
    await this.#reading
  }

  /**
   * Every alert of a tenant after a cursor, or from now on, in order; first from the log, then live. Ends when the feed stops.
   * @throws AppError BAD_CURSOR, CURSOR_EXPIRED before the first alert; CURSOR_EXPIRED later when the subscriber is too slow for
   * the retention
   */
  async subscribe(request: FeedRequest): Promise<AsyncIterableIterator<HighRiskAlert, void>> {
    const ending = new AbortController()
    // Does not wait for a store that is away: a client can end its subscription only after this call has returned it.
    const start = await this.#unlessAway(() => this.#startOf(request))
    const alerts = this.#follow(request, start, ending.signal)
    const subscription: AsyncIterableIterator<HighRiskAlert, void> = {
      next: () => alerts.next(),
      // A generator that waits for an alert would end only after the next one: the signal wakes it.
      return: () => {
        ending.abort()
        return alerts.return()
      },
      [Symbol.asyncIterator]: () => subscription,
    }
    return subscription
  }

  async #startOf({ after }: FeedRequest): Promise<string> {
    if (after === undefined) return this.#options.log.now()
    await this.#options.log.check(after)
    return after
  }

  async *#follow(request: FeedRequest, start: string | undefined, ending: AbortSignal): AlertGenerator {
    const { tenant, matches } = request
    let cursor = start ?? (await this.#answer(ending, () => this.#startOf(request)))
    if (cursor === undefined) return
    while (!this.#stopped && !ending.aborted) {
      for await (const alert of this.#fromLog(tenant, cursor, ending)) {
        cursor = alert.cursor
        if (matches(alert)) yield alert
      }
      if (this.#mailboxes.size === 0) await this.#skipUnheard()
      if (this.#stopped || ending.aborted) return
      const mailbox = this.#open(tenant)
      const wake = () => mailbox.close()
      ending.addEventListener('abort', wake)
      try {
        // The alerts between the last page and the opening of the mailbox. All later ones are in the mailbox.
        for await (const alert of this.#fromLog(tenant, cursor, ending, mailbox.openedAt)) {
          cursor = alert.cursor
          if (matches(alert)) yield alert
        }
        // Stopped before all of those were read: alerts from the mailbox would come before them.
        if (this.#stopped || ending.aborted) return
        // Every alert before the opening has been read: the cursor of a tenant without alerts must not fall behind the retention.
        if (cursor < mailbox.openedAt) cursor = mailbox.openedAt
        for await (const alert of mailbox) {
          if (alert.cursor <= cursor) continue
          cursor = alert.cursor
          if (matches(alert)) yield alert
        }
      } finally {
        ending.removeEventListener('abort', wake)
        this.#close(tenant, mailbox)
      }
    }
  }

  async *#fromLog(tenant: string, after: string, ending: AbortSignal, upTo?: string): AlertGenerator {
    let cursor = after
    while ((upTo === undefined || cursor < upTo) && !this.#stopped && !ending.aborted) {
      const position = cursor
      const page = await this.#answer(ending, () => this.#options.log.read({ after: position, tenant, limit: PAGE }))
      if (!page) return
      for (const alert of page) {
        if (upTo !== undefined && alert.cursor > upTo) return
        yield alert
      }
      if (page.length < PAGE) return
      cursor = page.at(-1)?.cursor ?? cursor
    }
  }

  /** The log's answer, however long it takes; undefined when the subscription or the feed ends first. */
  async #answer<T>(ending: AbortSignal, ask: () => Promise<T>): Promise<T | undefined> {
    while (!this.#stopped && !ending.aborted) {
      const answer = await this.#unlessAway(async () => (this.#stopped || ending.aborted ? undefined : ask()))
      if (answer !== undefined) return answer
      await sleep(POLL_MS, undefined, { signal: ending, ref: false }).catch(() => {})
    }
    return undefined
  }

  /** Undefined when the log is away or busy. That ends no subscription: the alerts are read when the log is back. */
  async #unlessAway<T>(ask: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#turns.run(ask)
    } catch (error) {
      if (error instanceof AppError && error.code === 'SERVICE_UNAVAILABLE') return undefined
      throw error
    }
  }

  /** Nothing is read while nobody listens. The first mailbox begins from the present, not from where the last one ended. */
  async #skipUnheard(): Promise<void> {
    // When the log does not answer, the reader goes on from its old position: a longer way to the same alerts.
    const now = await this.#turns.run(() => this.#options.log.now()).catch(() => this.#position)
    if (this.#mailboxes.size === 0) this.#position = now
  }

  #open(tenant: string): Mailbox {
    const mailbox = new Mailbox(this.#position, MAILBOX_SIZE)
    const mailboxes = this.#mailboxes.get(tenant) ?? new Set()
    this.#mailboxes.set(tenant, mailboxes.add(mailbox))
    this.#wake()
    return mailbox
  }

  #close(tenant: string, mailbox: Mailbox): void {
    const mailboxes = this.#mailboxes.get(tenant)
    mailboxes?.delete(mailbox)
    if (mailboxes?.size === 0) this.#mailboxes.delete(tenant)
  }

  /** There may be new alerts: reads at once when the rest is over, else as soon as it is. */
  #wake(): void {
    if (this.#reading) this.#isWoken = true
    else if (this.#mailboxes.size > 0) this.#readAfter(Math.max(0, this.#restsUntil - performance.now()))
  }

  #readAfter(pauseMs: number): void {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    const read = () => {
      this.#isWoken = false
      // Without a subscriber nobody needs the alerts; the first subscriber wakes the reader again.
      const isHeard = this.#mailboxes.size > 0
      this.#reading = (isHeard ? this.#readAll() : this.#lookUnheard()).then(idleMs => {
        this.#reading = undefined
        this.#restsUntil = performance.now() + REST_MS
        this.#readAfter(this.#isWoken ? REST_MS : idleMs)
      })
    }
    this.#timer = setTimeout(read, this.#mailboxes.size > 0 ? pauseMs : UNHEARD_MS).unref()
  }

  /** Whether alerts are held back, without reading them. */
  async #lookUnheard(): Promise<number> {
    try {
      const now = await this.#options.log.now()
      await this.#held.note(await this.#options.log.isHeldBack(now), now)
    } catch {
      // The calls of the database have told, and nobody waits here.
      this.#held.reset()
    }
    return UNHEARD_MS
  }

  /** Reads to the end of the log; answers how long to pause unless the reader is woken before. */
  async #readAll(): Promise<number> {
    try {
      let page: HighRiskAlert[]
      do {
        page = await this.#options.log.read({ after: this.#position, limit: PAGE })
        for (const alert of page) this.#deliver(alert)
      } while (page.length === PAGE && !this.#stopped)
      const isHeldBack = await this.#options.log.isHeldBack(this.#position)
      await this.#held.note(isHeldBack, this.#position)
      return isHeldBack ? HELD_BACK_MS : POLL_MS
    } catch (error) {
      this.#options.failed(error)
      if (error instanceof AppError && POSITION_IS_GONE.has(error.code)) await this.#beginAnew()
      return POLL_MS
    }
  }

  /**
   * The reader's position is no longer in the log: the reader was away for longer than the retention, or the database is another
   * one. Each subscriber reads on from its own position, or gets an error when that is gone too.
   */
  async #beginAnew(): Promise<void> {
    const now = await this.#options.log.now().catch(() => undefined)
    if (now === undefined) return
    this.#position = now
    for (const mailboxes of this.#mailboxes.values()) for (const mailbox of mailboxes) mailbox.close()
  }

  #deliver(alert: HighRiskAlert): void {
    this.#position = alert.cursor
    const mailboxes = this.#mailboxes.get(alert.prediction.tenant)
    if (!mailboxes) return
    for (const mailbox of mailboxes) mailbox.put(alert)
    this.#options.delivered?.(alert)
  }
}
