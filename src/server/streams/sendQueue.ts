import type { WriteRounds } from './writeRounds.js'

// Once this much is waiting to be sent, a subscription pauses before it takes its next event.
const HIGH_WATER_CHARACTERS = 64 * 1024
// Each subscription of a socket adds at most one event to that. More waits only when a client asks without reading the answers.
const MAX_CHARACTERS = 1024 * 1024
// Text waits here only behind megabytes in the buffers of both operating systems, so a client that merely pauses is not affected.
const STALL_MS = 5_000

/** The connection that a send queue writes to. */
export interface Wire {
  /** Writes the texts in one call. Calls `left` when the last of them has left the process, unless the wire closes first. */
  write(texts: readonly string[], left: () => void): void
  /** Whether something that was written has not left yet. */
  readonly isBacklogged: boolean
}

export interface SendQueueOptions {
  readonly wire: Wire
  readonly rounds: WriteRounds
  /** Called once, when the client does not read and must be given up. */
  readonly stalled: () => void
}

class Batch {
  readonly texts: string[] = []
  readonly waiting: (() => void)[] = []
  characters = 0
}

/** The texts on their way to one client: in order, bounded, and several in one write where they come fast. */
export class SendQueue {
  readonly #options: SendQueueOptions
  #gathered = new Batch()
  #underWay: Batch | undefined
  #state: 'open' | 'ended' | 'closed' = 'open'
  #stallTimer: NodeJS.Timeout | undefined

  constructor(options: SendQueueOptions) {
    this.#options = options
  }

  /**
   * Queues a text. Where it returns a promise, that resolves when enough has left for more to come, or when the wire is closed.
   */
  push(text: string): Promise<void> | undefined {
    if (this.#state === 'open' && this.#characters > MAX_CHARACTERS) this.#stall()
    if (this.#state !== 'open') return this.left()
    this.#gathered.texts.push(text)
    this.#gathered.characters += text.length
    this.#options.rounds.add(this)
    return this.#characters < HIGH_WATER_CHARACTERS ? undefined : this.left()
  }

  /** Resolves when everything pushed so far has left, or the wire is closed. */
  left(): Promise<void> {
    const isGathering = this.#gathered.texts.length > 0 || this.#state === 'ended'
    const batch = isGathering ? this.#gathered : this.#underWay
    if (!batch || this.#state === 'closed') return Promise.resolve()
    return new Promise(resolve => batch.waiting.push(resolve))
  }

  /** Writes the gathered texts. While a write is under way it does nothing: the end of that write asks for another flush. */
  flush(): void {
    if (!this.#underWay) this.#write()
  }

  /** Writes the texts that are left, and takes no more. */
  end(): void {
    if (this.#state !== 'open') return
    this.#write()
    this.#state = 'ended'
  }

  /** To be called when the wire is closed. */
  close(): void {
    this.#state = 'closed'
    clearTimeout(this.#stallTimer)
    this.#release()
  }

  get #characters(): number {
    return this.#gathered.characters + (this.#underWay?.characters ?? 0)
  }

  #write(): void {
    const batch = this.#gathered
    if (this.#state !== 'open' || batch.texts.length === 0) return
    this.#gathered = new Batch()
    this.#underWay = batch
    const { wire } = this.#options
    wire.write(batch.texts, () => this.#left(batch))
    if (wire.isBacklogged) this.#stallTimer ??= setTimeout(() => this.#stall(), STALL_MS).unref()
  }

  #left(batch: Batch): void {
    for (const resolve of batch.waiting) resolve()
    if (this.#underWay !== batch) return
    this.#underWay = undefined
    clearTimeout(this.#stallTimer)
    this.#stallTimer = undefined
    if (this.#gathered.texts.length > 0) this.#options.rounds.add(this)
  }

  #stall(): void {
    if (this.#state === 'closed') return
    this.#state = 'ended'
    this.#options.stalled()
    this.#release()
  }

  /** Resolves every wait, because the remaining texts will never leave. */
  #release(): void {
    const batches = [this.#underWay, this.#gathered]
    this.#underWay = undefined
    this.#gathered = new Batch()
    for (const batch of batches) for (const resolve of batch?.waiting ?? []) resolve()
  }
}
