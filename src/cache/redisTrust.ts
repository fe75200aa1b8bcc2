import { inTime } from './inTime.js'
import type { RedisLink } from './redisLink.js'
import { isAnswer } from './redisRefusals.js'

// How soon an idle replica notices that Redis was away.
export const BEAT_MS = 250
/**
 * After an outage the other replicas need this long to write the values that Redis missed: the longest pause before they
 * reconnect, and a beat. Until then a value in Redis may be older than the outage.
 */
const SETTLE_MS = 1_500

/** Hears whether a use of Redis works. It may hear the same several times. */
export interface UseReports {
  readonly refused: (error: unknown) => void
  readonly works: () => void
}

export interface RedisTrustOptions {
  /**
   * Does what the use needs, for a key of its own. `refusedKey`: the key of the command that failed; the probe must ask the same part of
   * a cluster. A server that answers PING may still refuse everything else.
   */
  readonly probe: (refusedKey: string | undefined) => Promise<unknown>
  readonly catchUp: () => Promise<void>
  readonly reports: UseReports
}

/**
 * Whether values in Redis may be trusted. Not while Redis fails to answer or refuses, and afterwards only once this replica has caught up
 * (`catchUp`) and the others have had the time to.
 */
export class RedisTrust {
  readonly #link: RedisLink
  readonly #options: RedisTrustOptions
  readonly #timer: NodeJS.Timeout
  readonly #firstBeat: Promise<void>
  #trustedFrom = Number.POSITIVE_INFINITY
  #refusedKey: string | undefined
  #isBeating = false

  constructor(link: RedisLink, options: RedisTrustOptions) {
    this.#link = link
    this.#options = options
    this.#timer = setInterval(() => void this.#beat(), BEAT_MS).unref()
    // Even when this replica sent no command during the outage: another replica's write may have failed.
    link.on('close', () => this.lose())
    link.on('ready', () => void this.#beat())
    link.once('end', () => clearInterval(this.#timer))
    this.#firstBeat = link.isReady ? this.#beat() : Promise.resolve()
  }

  /** Whether Redis has done what it was asked since the last outage. */
  get answers(): boolean {
    return this.#trustedFrom !== Number.POSITIVE_INFINITY
  }

  /** Waits until Redis has done what it was asked first, or has refused it; without a connection not at all. */
  settled(): Promise<void> {
    return this.#firstBeat
  }

  get isTrusted(): boolean {
    return performance.now() >= this.#trustedFrom
  }

  /** Called when a command has failed: with its error, and the key that it was for. */
  lose(error?: unknown, key?: string): void {
    this.#trustedFrom = Number.POSITIVE_INFINITY
    if (key !== undefined) this.#refusedKey = key
    // A command that came too late may have been one of a moment: the next beat tells.
    if (isAnswer(error)) this.#options.reports.refused(error)
  }

  async #beat(): Promise<void> {
    if (this.#isBeating || !this.#link.isReady) return
    this.#isBeating = true
    const { probe, catchUp, reports } = this.#options
    const answered = this.answers
    try {
      if (answered) await inTime(this.#link.client.ping())
      else await probe(this.#refusedKey)
      // On every beat: a write may have been missed after the last catch-up ended and before Redis was trusted again.
      await catchUp()
      if (!this.answers && this.#link.isReady) this.#trustedFrom = performance.now() + SETTLE_MS
      // Not at once: a use that is refused between two beats has not come back.
      if (this.isTrusted) {
        this.#refusedKey = undefined
        reports.works()
      }
    } catch (error) {
      // Without a connection it is the connection that is told.
      if (this.#link.isReady && !answered) reports.refused(error)
      this.lose(error)
    } finally {
      this.#isBeating = false
    }
  }
}
