import type { AlertLog } from '../../../src/alerts/alertLog.js'
import { AppError } from '../../../src/errors.js'
import type { HighRiskAlert, Prediction } from '../../../src/scoring/prediction.js'

/** An alert log in memory. An alert is invisible until it is settled, like one behind an open transaction. */
export class MemoryAlertLog implements AlertLog {
  readonly #alerts: HighRiskAlert[] = []
  #settled = 0
  #expired = 0
  /** Called before each read answers, so that a test can act in between. */
  beforeAnswer: (query: { after: string; tenant?: string }) => Promise<void> | void = () => {}
  reads = 0

  /** Writes an alert, which can be read only after `settle`. */
  write(tenant = 'default', prediction: Partial<Prediction> = {}): HighRiskAlert {
    const cursor = cursorAt(this.#alerts.length + 1)
    const raisedAt = new Date(1_700_000_000_000 + this.#alerts.length)
    const acknowledgement = { acknowledgedAt: null, acknowledgedBy: null }
    const alert = {
      id: cursor,
      cursor,
      raisedAt,
      prediction: predictionOf(cursor, tenant, raisedAt, prediction),
      ...acknowledgement,
    }
    this.#alerts.push(alert)
    return alert
  }

  settle(): void {
    this.#settled = this.#alerts.length
  }

  /** Removes the oldest alerts, as retention does. */
  expire(count: number): void {
    this.#expired = count
  }

  append(tenant?: string, prediction?: Partial<Prediction>): HighRiskAlert {
    const alert = this.write(tenant, prediction)
    this.settle()
    return alert
  }

  async now(): Promise<string> {
    return cursorAt(this.#settled)
  }

  async read({ after, tenant, limit }: { after: string; tenant?: string; limit: number }): Promise<HighRiskAlert[]> {
    this.reads++
    const page = this.#alerts
      .slice(0, this.#settled)
      .filter(({ cursor, prediction }) => cursor > after && (tenant === undefined || prediction.tenant === tenant))
      .slice(0, limit)
    await this.beforeAnswer({ after, ...(tenant !== undefined && { tenant }) })
    this.#refuseExpired(after)
    return page
  }

  async page() {
    return { entries: [this.append()], hasMore: false }
  }

  async acknowledge() {
    return this.append()
  }

  async isHeldBack(after: string): Promise<boolean> {
    return this.#alerts.some(({ cursor }) => cursor > after)
  }

  async holder(): Promise<string> {
    return 'a transaction of the test'
  }

  async check(cursor: string): Promise<void> {
    if (!/^\d{8}$/.test(cursor)) throw new AppError('BAD_CURSOR', 'This cursor does not belong to this alert feed.')
    this.#refuseExpired(cursor)
  }

  #refuseExpired(cursor: string): void {
    if (cursor < cursorAt(this.#expired)) throw new AppError('CURSOR_EXPIRED', 'What followed this cursor is not kept.')
  }
}

export function cursorAt(position: number): string {
  return String(position).padStart(8, '0')
}

function predictionOf(id: string, tenant: string, createdAt: Date, given: Partial<Prediction>): Prediction {
  return {
    id,
    tenant,
    applicantId: 'a-1',
    model: 'consumer-credit',
    modelVersion: '2',
    probability: 0.9,
    band: 'T8',
    highRisk: true,
    channel: null,
    createdAt,
    requestedBy: 'test-client',
    ...given,
  }
}
