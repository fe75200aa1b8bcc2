/** The part of an alert that matters for judging its delivery. */
export interface Delivery {
  readonly id: string
  readonly cursor: string
}

export type Judgement = 'new' | 'repeat' | 'wrong'

const EXAMPLES = 3

/** The alerts of one subscriber, judged as they come: they must be in order, and may repeat only straight after a resume. */
export class Receipts {
  readonly #ids = new Set<string>()
  /** The newest cursor of all connections. */
  #newest = ''
  /** The cursor that the next alert of this connection must be beyond. */
  #previous = ''
  resumes = 0
  /** Alerts that came again straight after a resume, which is allowed. */
  repeats = 0
  repeatedElsewhere = 0
  outOfOrder = 0
  /** The first mistakes, in words. */
  readonly examples: string[] = []

  /** The cursor from which a client that saved every cursor would resume. */
  get newest(): string {
    return this.#newest
  }

  get count(): number {
    return this.#ids.size
  }

  has(id: string): boolean {
    return this.#ids.has(id)
  }

  /** A new connection asks for the alerts beyond this cursor. */
  begin(after: string): void {
    if (this.#newest === '') this.#newest = after
    else this.resumes++
    this.#previous = after
  }

  take({ id, cursor }: Delivery): Judgement {
    const isKnown = this.#ids.has(id)
    const isBeyondPrevious = cursor > this.#previous
    if (isBeyondPrevious) this.#previous = cursor
    if (isKnown) {
      // Straight after a resume means: before a new alert has come on this connection.
      if (isBeyondPrevious && cursor <= this.#newest) {
        this.repeats++
        return 'repeat'
      }
      this.repeatedElsewhere++
      return this.#wrong(`alert ${id} came again, with cursor ${cursor}, after ${this.#newest}`)
    }
    this.#ids.add(id)
    if (cursor > this.#newest) {
      this.#newest = cursor
      return 'new'
    }
    this.outOfOrder++
    return this.#wrong(`alert ${id} came late: cursor ${cursor} after ${this.#newest}`)
  }

  /** The expected alerts that never came. */
  lostOf(expected: ReadonlySet<string>): string[] {
    return [...expected].filter(id => !this.#ids.has(id))
  }

  /** The alerts that came though they were never raised. */
  surplusTo(expected: ReadonlySet<string>): string[] {
    return [...this.#ids].filter(id => !expected.has(id))
  }

  #wrong(example: string): Judgement {
    if (this.examples.length < EXAMPLES) this.examples.push(example)
    return 'wrong'
  }
}
