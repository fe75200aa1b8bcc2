import type { PointLimiter, Taken } from '../server/limits/pointLimiter.js'
import { digestOf } from './redisPoints.js'
import type { SharedPoints } from './sharedPoints.js'

// A block is this fraction of the limit: a replica may hold back, or be ahead by, one block. Limits up to 100 are leased by the
// point, and are exact.
const BLOCKS_A_LIMIT = 100
// Far more callers than one replica serves in a window. At most twice as many are remembered.
const MAX_RECENT = 25_000

export interface LeasedLimiterOptions {
  readonly limit: number
  readonly windowSeconds: number
  /** Absent: this process is the only one. */
  readonly shared?: SharedPoints
}

/** One key in one window. No points are taken from an account after its window. */
interface Account {
  readonly digest: string
  /** On the clock of `performance`, which nobody can set. */
  endsAt: number
  /** Whether `endsAt` came from Redis. */
  isAgreed: boolean
  /** Points that this process has let through. */
  spent: number
  /** Points leased and not spent; below zero it is a debt, which the next lease pays. */
  held: number
  /** Points asked of Redis and not answered yet. */
  onOrder: number
  /** Points that Redis had left when it last answered. */
  left: number
  lastLease: Promise<void> | undefined
}

/**
 * Counts points for each key in windows. It leases them from Redis in blocks ahead of need, so that a call is decided at once.
 * While Redis is away or slow, each process counts for itself, and reports to Redis afterwards. RateLimiterMemory would answer
 * through promises only, and keeps a timer for every key, without bound.
 */
export class LeasedLimiter implements PointLimiter {
  readonly limit: number
  readonly #windowMs: number
  readonly #block: number
  readonly #shared: SharedPoints | undefined
  #recent = new Map<string, Account>()
  /** Accounts not used since `recent` was begun: forgotten when `recent` is full. */
  #older = new Map<string, Account>()

  constructor({ limit, windowSeconds, shared }: LeasedLimiterOptions) {
    this.limit = limit
    this.#windowMs = windowSeconds * 1_000
    this.#block = limit > BLOCKS_A_LIMIT ? Math.floor(limit / BLOCKS_A_LIMIT) : 0
    this.#shared = shared
  }

  /** How many keys are remembered at most: a key in both maps counts twice. */
  get size(): number {
    return this.#recent.size + this.#older.size
  }

  /**
   * Takes all of the points or none. Answers at once while the debt stays within one block; else waits for one Redis command.
   */
  take(key: string, points: number): Taken | Promise<Taken> {
    const now = performance.now()
    const account = this.#accountOf(key, now)
    if (points > this.#remaining(account)) return this.#stateOf(account, now, true)
    account.spent += points
    account.held -= points
    if (!this.#shared?.answers) return this.#stateOf(account, now, false)
    if (account.held < -this.#block) return this.#settle(this.#shared, account, key, points)
    if (account.onOrder === 0 && account.held < this.#target(account) / 2) this.#lease(this.#shared, account)
    return this.#stateOf(account, now, false)
  }

  /** Gives back points that were taken and then not used. */
  giveBack(key: string, points: number): void {
    const account = this.#find(key)
    // The window in which they were taken may be over.
    if (account && account.spent >= points) restore(account, points)
  }

  #accountOf(key: string, now: number): Account {
    const known = this.#find(key)
    if (known && now < known.endsAt) return known
    return this.#remember(key, {
      digest: known?.digest ?? (this.#shared ? digestOf(key) : ''),
      endsAt: now + this.#windowMs,
      isAgreed: false,
      spent: 0,
      held: 0,
      onOrder: 0,
      left: this.limit,
      lastLease: undefined,
    })
  }

  #find(key: string): Account | undefined {
    const recent = this.#recent.get(key)
    if (recent) return recent
    const older = this.#older.get(key)
    return older && this.#remember(key, older)
  }

  #remember(key: string, account: Account): Account {
    if (this.#recent.size >= MAX_RECENT) {
      this.#older = this.#recent
      this.#recent = new Map()
    }
    this.#recent.set(key, account)
    return account
  }

  #remaining({ spent, held, left }: Account): number {
    const own = this.limit - spent
    return this.#shared?.answers ? Math.min(own, held + left) : own
  }

  #stateOf(account: Account, now: number, isRefused: boolean): Taken {
    return {
      isRefused,
      limit: this.limit,
      remaining: Math.max(0, this.#remaining(account)),
      // Rounded first: floating-point error must not add a second.
      resetSeconds: Math.max(1, Math.ceil(Math.round(account.endsAt - now) / 1_000)),
    }
  }

  /** How many points are worth holding: a block for a busy key, few for one that is seldom used. */
  #target({ spent }: Account): number {
    return Math.min(this.#block, spent)
  }

  /** Decides on points that were taken beyond the held ones. */
  async #settle(shared: SharedPoints, account: Account, key: string, points: number): Promise<Taken> {
    await this.#lease(shared, account)
    const now = performance.now()
    // Without Redis this process decides, and it has let these points through already.
    if (account.held + account.onOrder >= 0 || !shared.answers) return this.#stateOf(account, now, false)
    restore(account, points)
    return now < account.endsAt ? this.#stateOf(account, now, true) : this.take(key, points)
  }

  /** Asks for the missing points that are not on order yet. Resolves when all points ordered so far are answered. */
  #lease(shared: SharedPoints, account: Account): Promise<void> | undefined {
    const points = Math.min(this.#target(account) - account.held, account.left) - account.onOrder
    if (points > 0) account.lastLease = this.#order(shared, account, points)
    return account.lastLease
  }

  async #order(shared: SharedPoints, account: Account, points: number): Promise<void> {
    account.onOrder += points
    const counted = await shared.add(account.digest, points)
    account.onOrder -= points
    if (!counted) return
    const { total, endsInMs } = counted
    account.held += Math.min(points, Math.max(0, this.limit - (total - points)))
    account.left = Math.max(0, this.limit - total)
    const endsAt = performance.now() + endsInMs
    // A later end than agreed: Redis has lost the window, as after a flush. This process keeps it.
    if (!account.isAgreed || endsAt < account.endsAt) account.endsAt = endsAt
    account.isAgreed = true
    // Reports the points let through during the order, in case no other call comes.
    if (account.held < 0) this.#lease(shared, account)
  }
}

function restore(account: Account, points: number): void {
  account.spent -= points
  account.held += points
}
