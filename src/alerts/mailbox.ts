import type { HighRiskAlert } from '../scoring/prediction.js'

/** A bounded queue between the reader of the feed and one subscriber. Iterating it ends when it is closed or has overflowed. */
export class Mailbox implements AsyncIterable<HighRiskAlert> {
  /** The cursor of the reader when this mailbox was opened: every later alert is put in. */
  readonly openedAt: string
  readonly #size: number
  #alerts: HighRiskAlert[] = []
  #isClosed = false
  #wake = () => {}

  constructor(openedAt: string, size: number) {
    this.openedAt = openedAt
    this.#size = size
  }

  put(alert: HighRiskAlert): void {
    if (this.#isClosed) return
    this.#alerts.push(alert)
    this.#wake()
    // Full: the subscriber takes the alerts in here and reads on from the log, which has all of them.
    if (this.#alerts.length >= this.#size) this.close()
  }

  close(): void {
    this.#isClosed = true
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<HighRiskAlert, void, void> {
    while (true) {
      const alerts = this.#alerts
      this.#alerts = []
      // Not `yield*`, which makes two more promises for each alert: with a thousand subscribers that is most of a mailbox's cost.
      for (const alert of alerts) yield alert
      if (this.#alerts.length > 0) continue
      if (this.#isClosed) return
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}
