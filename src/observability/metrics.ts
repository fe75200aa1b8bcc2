import { Counter, Gauge, Registry } from 'prom-client'
import { Distribution } from './distribution.js'
import { collectProcessMetrics } from './processMetrics.js'
import { Tally } from './tally.js'

// The promises are between 1 ms and 250 ms: most buckets are there.
const REQUEST_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5]
// One run of a small model takes a tenth of a millisecond.
const SCORING_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1]
const ALERT_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 10, 60]
const PROBABILITIES = [0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.7, 0.9]
const GROUP_ROWS = [1, 2, 4, 8, 16, 32, 64, 128, 256]

/**
 * The metrics that Prometheus reads at /metrics. Labels come from short closed lists: never from a caller's input.
 * docs/operations/health-and-metrics.md lists them all.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly #registers = [this.registry]

  /** By route, operation and code. */
  readonly requests = this.#tally('requests_total', 'Requests that were answered, by the code of their answer.', [
    'route',
    'operation',
    'code',
  ])
  readonly requestSeconds = this.#histogram(
    'request_duration_seconds',
    'Time from the last byte of a request to its answer; result "ok" or "error".',
    { labelNames: ['route', 'operation', 'result'], buckets: REQUEST_SECONDS },
  )
  readonly scoringSeconds = this.#histogram('scoring_duration_seconds', 'Time of one run of a model over a group of rows.', {
    labelNames: ['model', 'version'],
    buckets: SCORING_SECONDS,
  })
  readonly commitSeconds = this.#histogram(
    'commit_duration_seconds',
    'Time of one statement that stores a group of predictions, commit included.',
    { labelNames: [], buckets: REQUEST_SECONDS },
  )
  readonly commitRows = this.#histogram('commit_rows', 'Predictions stored by one statement.', {
    labelNames: [],
    buckets: GROUP_ROWS,
  })
  /** By model, version and band. */
  readonly predictions = this.#tally('predictions_total', 'Predictions stored, by risk band.', ['model', 'version', 'band'])
  /** By model and version. */
  readonly highRisk = this.#tally('high_risk_predictions_total', 'High-risk predictions stored: each raises an alert.', [
    'model',
    'version',
  ])
  readonly probabilities = this.#histogram('prediction_probability', 'Probabilities of default of the stored predictions.', {
    labelNames: ['model', 'version'],
    buckets: PROBABILITIES,
  })
  readonly batchRowsRefused = this.#counter(
    'batch_rows_refused_total',
    'Applications of batches that were refused. Their batch itself is answered, and counted as OK.',
    ['code'],
  )
  readonly shadowRows = this.#counter(
    'shadow_rows_total',
    'Predictions that a shadow should score: stored, dropped because it had no time, or failed.',
    ['result'],
  )
  readonly workersEnded = this.#counter(
    'model_workers_ended_total',
    'Times that the worker of a model version ended by itself. It is started again.',
    ['model', 'version'],
  )
  readonly alertDelaySeconds = this.#histogram(
    'alert_delay_seconds',
    'Time from the score of an alert until this process hands it to its live subscribers.',
    { labelNames: [], buckets: ALERT_SECONDS },
  )
  readonly subscriptions = this.#counter(
    'subscriptions_total',
    'Subscriptions that ended, and WebSockets closed for a mistake of the client (operation "none").',
    ['operation', 'code'],
  )
  readonly webhookAttempts = this.#counter(
    'webhook_attempts_total',
    'Attempts to deliver an alert to a webhook; those that failed are tried again.',
    ['result'],
  )
  readonly webhookFailures = this.#counter(
    'webhook_failures_total',
    'Steps of the delivery to webhooks that the store failed; they are tried again.',
    ['step'],
  )
  readonly mlflowFailures = this.#counter(
    'mlflow_failures_total',
    'Failures to follow MLflow, by their reason; the version before serves on.',
    ['code'],
  )
  readonly keySetFetches = this.#counter(
    'key_set_fetches_total',
    "Fetches of the token issuer's keys; while they fail, the last good ones are kept for a day.",
    ['result'],
  )
  readonly malformedRequests = this.#counter(
    'malformed_requests_total',
    'Connections closed because they sent no proper request in time.',
    ['why'],
  )
  readonly rateLimited = this.#counter(
    'rate_limited_total',
    'Calls refused by a limit: of a principal, a tenant, an address, or the streams of a principal.',
    ['kind'],
  )
  readonly clientsUnnamed = this.#counter(
    'clients_unnamed_total',
    'Addresses of clients that were looked for, and that a trusted proxy did not name in a form that can be read.',
    ['why'],
  )
  readonly redisRefusals = this.#counter(
    'redis_refusals_total',
    'Times that a Redis which answers began to refuse one of its uses, by the code of its refusal.',
    ['code'],
  )
  readonly databaseCallSeconds = this.#histogram(
    'database_call_duration_seconds',
    'Time of one call of Postgres, with its wait for a connection; result "ok", "failed", or "late" past its deadline.',
    { labelNames: ['pool', 'result'], buckets: REQUEST_SECONDS },
  )
  readonly upkeepRuns = this.#counter('upkeep_runs_total', 'Runs of the periodic work, by their result.', ['task', 'result'])
  readonly logLinesLost = this.#counter(
    'log_lines_lost_total',
    'Log lines that were lost because nothing took them from standard output.',
    [],
  )
  readonly #cacheLookups = this.#tally('cache_lookups_total', 'Look-ups in the caches of this process and of Redis.', [
    'cache',
    'result',
  ])

  constructor() {
    collectProcessMetrics(this.registry)
  }

  /** Counts the look-ups of a cache. */
  lookups(cache: string): (isHit: boolean) => void {
    const hits = this.#cacheLookups.of(cache, 'hit')
    const misses = this.#cacheLookups.of(cache, 'miss')
    return isHit => {
      if (isHit) hits.count++
      else misses.count++
    }
  }

  /** A gauge that is read when Prometheus asks. */
  gauge(name: string, help: string, read: () => number | Promise<number>): void {
    new Gauge({
      name: `riskgate_${name}`,
      help,
      registers: this.#registers,
      async collect() {
        this.set(await read())
      },
    })
  }

  /** A gauge for each value of a label, read when Prometheus asks. */
  gauges(name: string, help: string, label: string, read: () => Readonly<Record<string, number>>): void {
    new Gauge({
      name: `riskgate_${name}`,
      help,
      labelNames: [label],
      registers: this.#registers,
      collect() {
        for (const [value, number] of Object.entries(read())) this.set({ [label]: value }, number)
      },
    })
  }

  #tally(name: string, help: string, labelNames: readonly string[]): Tally {
    return new Tally({ name: `riskgate_${name}`, help, labelNames, registers: this.#registers })
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: `riskgate_${name}`, help, labelNames, registers: this.#registers })
  }

  #histogram(
    name: string,
    help: string,
    options: { readonly labelNames: readonly string[]; readonly buckets: readonly number[] },
  ): Distribution {
    return new Distribution({ name: `riskgate_${name}`, help, ...options, registry: this.registry })
  }
}

/** Shows a counter at zero for each value of its label: an alert on its growth would miss the first increase. */
export function showFromZero<Label extends string>(counter: Counter<Label>, label: Label, values: readonly string[]): void {
  for (const value of values) counter.inc({ [label]: value } as Record<Label, string>, 0)
}
