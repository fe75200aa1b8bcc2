import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** The metrics that Prometheus reads at /metrics. Labels come from short closed lists: never from a caller's input. */
export class Metrics {
  readonly registry = new Registry()
  readonly #registers = [this.registry]

  readonly requestSeconds = new Histogram({
    name: 'riskgate_request_duration_seconds',
    help: 'Time from the last byte of a GraphQL request to its answer.',
    labelNames: ['operation', 'code'],
    buckets: FAST_SECONDS,
    registers: this.#registers,
  })
  readonly scoringSeconds = new Histogram({
    name: 'riskgate_scoring_duration_seconds',
    help: 'Time of one run of a model over a group of rows.',
    labelNames: ['model', 'version'],
    buckets: FAST_SECONDS,
    registers: this.#registers,
  })
  readonly commitSeconds = new Histogram({
    name: 'riskgate_commit_duration_seconds',
    help: 'Time of one statement that stores a group of predictions, commit included.',
    buckets: FAST_SECONDS,
    registers: this.#registers,
  })
  readonly commitRows = new Histogram({
    name: 'riskgate_commit_rows',
    help: 'Predictions stored by one statement.',
    buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256],
    registers: this.#registers,
  })
  readonly predictions = new Counter({
    name: 'riskgate_predictions_total',
    help: 'Predictions stored, by risk band.',
    labelNames: ['model', 'version', 'band'],
    registers: this.#registers,
  })
  readonly alertDelaySeconds = new Histogram({
    name: 'riskgate_alert_delay_seconds',
    help: 'Time from the score of an alert until this process hands it to its live subscribers.',
    buckets: FAST_SECONDS,
    registers: this.#registers,
  })
  readonly subscriptions = new Counter({
    name: 'riskgate_subscriptions_total',
    help: 'Subscriptions that ended, and WebSockets closed for a mistake of the client (operation "none").',
    labelNames: ['operation', 'code'],
    registers: this.#registers,
  })
  readonly webhookAttempts = new Counter({
    name: 'riskgate_webhook_attempts_total',
    help: 'Attempts to deliver an alert to a webhook; those that failed are tried again.',
    labelNames: ['result'],
    registers: this.#registers,
  })
  readonly webhookFailures = new Counter({
    name: 'riskgate_webhook_failures_total',
    help: 'Steps of the delivery to webhooks that the store failed; they are tried again.',
    labelNames: ['step'],
    registers: this.#registers,
  })
  readonly keySetFetches = new Counter({
    name: 'riskgate_key_set_fetches_total',
    help: "Fetches of the token issuer's keys; while they fail, the last good ones are kept for a day.",
    labelNames: ['result'],
    registers: this.#registers,
  })
  readonly malformedRequests = new Counter({
    name: 'riskgate_malformed_requests_total',
    help: 'Connections closed because they sent no proper request in time.',
    labelNames: ['why'],
    registers: this.#registers,
  })
  readonly rateLimited = new Counter({
    name: 'riskgate_rate_limited_total',
    help: 'Calls refused by a limit: of a principal, a tenant, an address, or the streams of a principal.',
    labelNames: ['kind'],
    registers: this.#registers,
  })
  readonly logLinesLost = new Counter({
    name: 'riskgate_log_lines_lost_total',
    help: 'Log lines that were lost because nothing took them from standard output.',
    registers: this.#registers,
  })

  constructor() {
    collectDefaultMetrics({ register: this.registry, prefix: 'riskgate_' })
  }

  /** A gauge that is read when Prometheus asks. */
  gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `riskgate_${name}`,
      help,
      registers: this.#registers,
      collect() {
        this.set(read())
      },
    })
  }

  /** Queue lengths, by the name of the queue. */
  queueLengths(read: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name: 'riskgate_queue_length',
      help: 'Rows that wait to be scored or stored.',
      labelNames: ['queue'],
      registers: this.#registers,
      collect() {
        for (const [queue, length] of Object.entries(read())) this.set({ queue }, length)
      },
    })
  }
}
