export interface Percentiles {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly most: number
}

/** A period in which a server was down, in milliseconds since 1970. */
export interface Outage {
  readonly from: number
  to: number
}

interface Receipt {
  readonly raisedAt: number
  readonly ms: number
  readonly isLive: boolean
}

/**
 * The time from scoring to receipt. Scoring (`raisedAt`) comes before the commit, so this is an upper bound of the time from
 * commit to client. One alert counts once for each subscriber.
 */
export class Latencies {
  readonly #receipts: Receipt[] = []

  /** `isLive`: the alert was raised while its subscriber was subscribed, and not fetched by a resume. */
  add(raisedAt: number, receivedAt: number, isLive: boolean): void {
    this.#receipts.push({ raisedAt, ms: receivedAt - raisedAt, isLive })
  }

  all(): Percentiles {
    return percentiles(this.#receipts)
  }

  live(): Percentiles {
    return percentiles(this.#receipts.filter(({ isLive }) => isLive))
  }

  /** Live alerts that were raised while every server was up. */
  calm(outages: readonly Outage[]): Percentiles {
    const isCalm = ({ raisedAt }: Receipt) => !outages.some(({ from, to }) => raisedAt >= from && raisedAt < to)
    return percentiles(this.#receipts.filter(receipt => receipt.isLive && isCalm(receipt)))
  }
}

function percentiles(receipts: readonly Receipt[]): Percentiles {
  const sorted = Float64Array.from(receipts, ({ ms }) => ms).sort()
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), most: at(1) }
}
