import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from '../support/random.js'
import type { Outage } from './latencies.js'
import { between, moments } from './random.js'

export interface FaultEvent {
  readonly seconds: number
  readonly text: string
}

/** A server that can be killed with kill -9, which returns its pid, and started again. */
interface Killable {
  kill(): Promise<number>
  startAgain(): Promise<void>
}

export interface FaultPlanOptions {
  readonly disconnects: number
  readonly kills: number
  readonly redisRestarts: number
  readonly random: Random
  readonly signal: AbortSignal
  /** How much of the work is done, 0..1; the moments of the faults are given as such shares. */
  readonly share: () => number
  readonly seconds: () => number
  /** Destroys the socket of one connected subscriber; returns false if none is connected. */
  readonly cut: () => boolean
  readonly replicas: readonly Killable[]
  readonly redis: Killable
}

const POLL_MS = 10
const DOWN_MS = [200, 1_500] as const

/** The faults of a run and their moments. */
export class FaultPlan {
  readonly events: FaultEvent[] = []
  readonly outages: Outage[] = []
  /** The times at which sockets were destroyed, in seconds. */
  readonly cuts: number[] = []
  readonly #options: FaultPlanOptions

  constructor(options: FaultPlanOptions) {
    this.#options = options
  }

  /** Ends when all faults have happened and every server is up again. */
  async run(): Promise<void> {
    const { random, disconnects, kills, redisRestarts, replicas, redis } = this.#options
    // Drawn before the first fault: the clients draw random numbers too, at moments that depend on the clock.
    const [cuts, deaths, restarts] = [disconnects, kills, redisRestarts].map(count => moments(random, count)) as [
      number[],
      number[],
      number[],
    ]
    await Promise.all([
      this.#each(cuts, () => this.#cut()),
      this.#each(deaths, i => this.#cutDown(`gateway ${(i % replicas.length) + 1}`, replicas[i % replicas.length] as Killable)),
      this.#each(restarts, () => this.#cutDown('Redis', redis)),
    ])
  }

  async #each(shares: readonly number[], happen: (index: number) => Promise<void>): Promise<void> {
    const { share, signal } = this.#options
    for (const [i, moment] of shares.entries()) {
      while (share() < moment) await sleep(POLL_MS, undefined, { signal })
      await happen(i)
    }
  }

  async #cut(): Promise<void> {
    const { cut, seconds, signal } = this.#options
    while (!cut()) await sleep(POLL_MS, undefined, { signal })
    this.cuts.push(seconds())
  }

  async #cutDown(name: string, server: Killable): Promise<void> {
    const { random, seconds, signal } = this.#options
    const [diedAt, outage] = [seconds(), { from: Date.now(), to: Number.POSITIVE_INFINITY }]
    this.outages.push(outage)
    const pid = await server.kill()
    await sleep(between(random, ...DOWN_MS), undefined, { signal })
    await server.startAgain()
    outage.to = Date.now()
    const away = (seconds() - diedAt).toFixed(1)
    this.events.push({ seconds: diedAt, text: `killed ${name} with kill -9 (pid ${pid}), up again after ${away} s` })
  }
}
