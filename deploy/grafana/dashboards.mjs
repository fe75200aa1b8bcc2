// Writes the dashboards that Grafana loads: `npm run generate`. test/unit/deploy/dashboards.test.ts compares them with the files.
import { writeFileSync } from 'node:fs'
import { argv } from 'node:process'
import { fileURLToPath } from 'node:url'
import { dashboard, graph, heatmap, number } from './panels.mjs'

const FAILURES = 'SERVICE_UNAVAILABLE|OUTCOME_UNKNOWN|INTERNAL_SERVER_ERROR|MODEL_OUTPUT_INVALID'
const SCORES = 'predictRisk|predictRiskBatch|predict|predictBatch'

/** The rate of a counter, summed by labels. */
const rate = (name, by = '', labels = '') => sum(by, `rate(${selected(name, labels)}[$__rate_interval])`)
/** What a counter has counted in the time that the dashboard shows. */
const counted = (name, by = '', labels = '') => sum(by, `increase(${selected(name, labels)}[$__range])`)
const sum = (by, inner) => (by ? `sum by (${by}) (${inner})` : `sum(${inner})`)
const selected = (name, labels = '') => `${name}{job=~"$job"${labels && `, ${labels}`}}`
const quantile = (q, histogram, by = '', labels = '') =>
  `histogram_quantile(${q}, ${rate(`${histogram}_bucket`, by ? `${by}, le` : 'le', labels)})`
const quantiles = (histogram, labels = '') => [0.5, 0.95, 0.99].map(q => [quantile(q, histogram, '', labels), `p${q * 100}`])
/** A share; zero while nothing was counted. */
const share = (part, whole) => `(${part} or vector(0)) / (${whole} > 0 or vector(1))`

const REQUESTS = 'riskgate_requests_total'
const SECONDS = 'riskgate_request_duration_seconds'
const CALLS = 'riskgate_database_call_duration_seconds'
const PROBABILITY = 'riskgate_prediction_probability'
const PREDICTIONS = 'riskgate_predictions_total'
const HIGH_RISK = 'riskgate_high_risk_predictions_total'
const LOOKUPS = 'riskgate_cache_lookups_total'
const VERSION = '{{model}} {{version}}'

export const DASHBOARDS = {
  service: dashboard('riskgate-service', 'riskgate: service', 'Requests, failures, latency, and what the process works with.', [
    number('Ready replicas', 'short', sum('', selected('riskgate_ready')), { redBelow: 1 }),
    number('Requests', 'reqps', rate(REQUESTS)),
    number('Failures', 'percentunit', share(rate(REQUESTS, '', `code=~"${FAILURES}"`), rate(REQUESTS)), {
      description: 'Answers for which the service is to blame.',
      redFrom: 0.001,
    }),
    number('Scores: p99', 's', quantile(0.99, SECONDS, '', `result="ok", operation=~"${SCORES}"`), { redFrom: 0.25 }),
    number('Connections', 'short', sum('', selected('riskgate_connections'))),
    number(
      'Event loops: busiest',
      'percentunit',
      `max(rate(${selected('riskgate_event_loop_active_seconds_total')}[$__rate_interval]))`,
      {
        description: 'The share of its time in which the event loop of the busiest replica is not idle.',
        redFrom: 0.9,
      },
    ),
    graph('Requests by answer', 'reqps', [[rate(REQUESTS, 'code'), '{{code}}']], { stacked: true }),
    graph('Refused and failed requests', 'reqps', [[rate(REQUESTS, 'route, code', 'code!="OK"'), '{{code}} {{route}}']]),
    graph('Requests by operation', 'reqps', [[`topk(12, ${rate(REQUESTS, 'route, operation')})`, '{{operation}} {{route}}']]),
    graph('Answers OK: time', 's', quantiles(SECONDS, 'result="ok"')),
    graph('Answers OK: p99 by operation', 's', [
      [`topk(12, ${quantile(0.99, SECONDS, 'operation', 'result="ok"')})`, '{{operation}}'],
    ]),
    graph('Errors: p99 by route', 's', [[quantile(0.99, SECONDS, 'route', 'result="error"'), '{{route}}']]),
    graph('Postgres: calls', 'ops', [[rate(`${CALLS}_count`, 'pool, result'), '{{pool}} {{result}}']]),
    graph('Postgres: p99 of a call, with its wait', 's', [[quantile(0.99, CALLS, 'pool'), '{{pool}}']]),
    graph('Postgres: calls that wait for a connection', 'short', [
      [sum('pool', selected('riskgate_database_calls_waiting')), '{{pool}}'],
    ]),
    graph(
      'Postgres: connections in use',
      'percentunit',
      [
        [
          `${sum('pool', selected('riskgate_database_calls_running'))} / ${sum('pool', selected('riskgate_database_pool_size'))}`,
          '{{pool}}',
        ],
      ],
      { max: 1 },
    ),
    graph(
      'Caches: share of hits',
      'percentunit',
      [[`${rate(LOOKUPS, 'cache', 'result="hit"')} / (${rate(LOOKUPS, 'cache')} > 0)`, '{{cache}}']],
      { max: 1 },
    ),
    graph(
      'Redis',
      'short',
      [
        [selected('riskgate_redis_up'), '{{instance}}'],
        [`max by (use) (${selected('riskgate_redis_refused')}) > 0`, 'refuses {{use}}'],
      ],
      { max: 1 },
    ),
    graph('Event loop: p99 of its delay', 's', [[selected('nodejs_eventloop_lag_p99_seconds'), '{{instance}}']]),
    graph('Event loop: share of time not idle', 'percentunit', [
      [rate('riskgate_event_loop_active_seconds_total', 'instance'), '{{instance}}'],
    ]),
    graph('CPU', 'percentunit', [[rate('process_cpu_seconds_total', 'instance'), '{{instance}}']]),
    graph('Memory', 'bytes', [
      [selected('process_resident_memory_bytes'), 'resident {{instance}}'],
      [selected('nodejs_heap_size_used_bytes'), 'heap {{instance}}'],
    ]),
    graph('Open connections and streams', 'short', [
      [sum('', selected('riskgate_connections')), 'connections'],
      [sum('transport', selected('riskgate_streams')), '{{transport}}'],
    ]),
    graph('Rate limits', 'ops', [[rate('riskgate_rate_limited_total', 'kind'), '{{kind}}']]),
    graph('Connections without a proper request', 'ops', [[rate('riskgate_malformed_requests_total', 'why'), '{{why}}']]),
    graph("Fetches of the token issuer's keys", 'ops', [[rate('riskgate_key_set_fetches_total', 'result'), '{{result}}']]),
    graph('Periodic work: failed runs', 'ops', [[rate('riskgate_upkeep_runs_total', 'task', 'result="failed"'), '{{task}}']]),
    graph('Clock ahead of Postgres', 's', [[selected('riskgate_clock_ahead_seconds'), '{{instance}}']]),
    graph('Certificate: time left', 's', [
      [`${selected('riskgate_tls_certificate_expiry_timestamp_seconds')} - time()`, '{{instance}}'],
    ]),
    graph('Partitions of predictions: time left', 's', [
      [`${selected('riskgate_partitions_end_timestamp_seconds')} - time()`, '{{instance}}'],
    ]),
    graph('Lost log lines', 'ops', [[rate('riskgate_log_lines_lost_total', 'instance'), '{{instance}}']]),
  ]),

  scoring: dashboard('riskgate-scoring', 'riskgate: scoring', 'From the call to the commit: models, groups, queues.', [
    number('Predictions', 'ops', rate(PREDICTIONS)),
    number('Calls', 'reqps', rate(REQUESTS, '', `operation=~"${SCORES}"`)),
    number('Calls: p50', 's', quantile(0.5, SECONDS, '', `result="ok", operation=~"${SCORES}"`)),
    number('Calls: p99', 's', quantile(0.99, SECONDS, '', `result="ok", operation=~"${SCORES}"`), { redFrom: 0.25 }),
    number('Rows in a statement', 'short', `${rate('riskgate_commit_rows_sum')} / (${rate('riskgate_commit_rows_count')} > 0)`),
    number('Rows that wait', 'short', sum('', selected('riskgate_queue_length')), { redFrom: 500 }),
    graph('Predictions by version', 'ops', [[rate(PREDICTIONS, 'model, version'), VERSION]]),
    graph('Calls by answer', 'reqps', [[rate(REQUESTS, 'code', `operation=~"${SCORES}"`), '{{code}}']], { stacked: true }),
    graph('Calls OK: p99 by operation', 's', [
      [quantile(0.99, SECONDS, 'route, operation', `result="ok", operation=~"${SCORES}"`), '{{operation}} {{route}}'],
    ]),
    heatmap('Calls OK: time', 's', `${rate(`${SECONDS}_bucket`, 'le', `result="ok", operation=~"${SCORES}"`)}`),
    graph('One run of a model: p99', 's', [[quantile(0.99, 'riskgate_scoring_duration_seconds', 'model, version'), VERSION]]),
    graph('Runs of the models', 'ops', [[rate('riskgate_scoring_duration_seconds_count', 'model, version'), VERSION]]),
    graph('One statement: time with its commit', 's', quantiles('riskgate_commit_duration_seconds')),
    graph('Rows in a statement', 'short', quantiles('riskgate_commit_rows')),
    graph('Rows that wait', 'short', [[sum('queue', selected('riskgate_queue_length')), '{{queue}}']]),
    graph(
      'Newest predictions: share of cache hits',
      'percentunit',
      [
        [
          `${rate(LOOKUPS, 'cache', 'cache="latest_predictions", result="hit"')} / (${rate(LOOKUPS, 'cache', 'cache="latest_predictions"')} > 0)`,
          'hits',
        ],
      ],
      { max: 1 },
    ),
  ]),

  business: dashboard('riskgate-business', 'riskgate: business', 'How many applications, and how risky they are.', [
    number('Predictions in this time', 'short', counted(PREDICTIONS), { width: 6 }),
    number('High risk in this time', 'short', counted(HIGH_RISK), { width: 6 }),
    number('Share of high risk', 'percentunit', share(counted(HIGH_RISK), counted(PREDICTIONS)), { width: 6 }),
    number('Mean probability of default', 'percentunit', share(counted(`${PROBABILITY}_sum`), counted(`${PROBABILITY}_count`)), {
      width: 6,
    }),
    graph('Volume by version', 'ops', [[rate(PREDICTIONS, 'model, version'), VERSION]]),
    graph('Mean probability of default by version', 'percentunit', [
      [`${rate(`${PROBABILITY}_sum`, 'model, version')} / (${rate(`${PROBABILITY}_count`, 'model, version')} > 0)`, VERSION],
    ]),
    graph(
      'Band mix',
      'percentunit',
      [[`${rate(PREDICTIONS, 'band')} / on () group_left () (${rate(PREDICTIONS)} > 0)`, '{{band}}']],
      { stacked: true, max: 1, description: 'From T1, the lowest probability of default, to T8.' },
    ),
    graph('Share of high risk by version', 'percentunit', [
      [`${rate(HIGH_RISK, 'model, version')} / (${rate(PREDICTIONS, 'model, version')} > 0)`, VERSION],
    ]),
    heatmap('Probabilities of default', 'percentunit', rate(`${PROBABILITY}_bucket`, 'le')),
    graph(
      'Mean probability: last hour and last day',
      'percentunit',
      [
        [`job_model_version:riskgate_prediction_probability:mean1h{job=~"$job"}`, `hour ${VERSION}`],
        [`job_model_version:riskgate_prediction_probability:mean1d{job=~"$job"}`, `day ${VERSION}`],
      ],
      { description: 'RiskgateProbabilityShift compares them.' },
    ),
    graph(
      'Outcomes recorded',
      'ops',
      [[rate(REQUESTS, 'operation', 'operation=~"recordOutcomes?", code="OK"'), '{{operation}}']],
      { description: 'Calls that tell what became of loans.' },
    ),
    graph('Calls by route', 'reqps', [[rate(REQUESTS, 'route', `operation=~"${SCORES}"`), '{{route}}']]),
  ]),

  alerts: dashboard('riskgate-alerts', 'riskgate: alerts', 'The feed of high-risk alerts, webhooks, the audit, and what fires.', [
    number('Subscribers', 'short', sum('', selected('riskgate_alert_subscribers'))),
    number('Alerts', 'ops', rate(HIGH_RISK), { description: 'Each high-risk prediction raises one.' }),
    number('Delay: p99', 's', quantile(0.99, 'riskgate_alert_delay_seconds'), { redFrom: 0.25 }),
    number('Held back', 's', `max(${selected('riskgate_alert_feed_held_back_seconds')})`, { redFrom: 5 }),
    number('Webhooks: given up', 'short', `max(${selected('riskgate_webhook_deliveries_dead')})`, { redFrom: 1 }),
    number('Alert rules that fire', 'short', 'count(ALERTS{alertname=~"Riskgate.*", alertstate="firing"}) or vector(0)', {
      redFrom: 1,
    }),
    graph('Delay from score to subscriber', 's', quantiles('riskgate_alert_delay_seconds')),
    graph('Feed held back by an open transaction', 's', [[selected('riskgate_alert_feed_held_back_seconds'), '{{instance}}']]),
    graph('Subscribers', 'short', [[sum('instance', selected('riskgate_alert_subscribers')), '{{instance}}']]),
    graph('Subscriptions that ended', 'ops', [
      [rate('riskgate_subscriptions_total', 'operation, code'), '{{operation}} {{code}}'],
    ]),
    graph('Webhooks: calls', 'ops', [[rate('riskgate_webhook_attempts_total', 'result'), '{{result}}']]),
    graph('Webhooks: deliveries that wait, or were given up', 'short', [
      [`max(${selected('riskgate_webhook_deliveries_pending')})`, 'wait'],
      [`max(${selected('riskgate_webhook_deliveries_dead')})`, 'given up'],
    ]),
    graph('Webhooks: failed steps', 'ops', [[rate('riskgate_webhook_failures_total', 'step'), '{{step}}']]),
    graph('Audit: age of the oldest entry without a seal', 's', [
      [`max(${selected('riskgate_audit_unsealed_seconds')})`, 'oldest entry'],
      [`time() - (max(${selected('riskgate_audit_last_seal_timestamp_seconds')}) > 0)`, 'last seal'],
    ]),
    graph('Audit: entries without a seal', 'short', [[`max(${selected('riskgate_audit_unsealed_entries')})`, 'entries']]),
    graph('Alert rules that fire or are about to', 'short', [
      ['count by (alertname, alertstate) (ALERTS{alertname=~"Riskgate.*"}) or vector(0)', '{{alertname}} {{alertstate}}'],
    ]),
  ]),
}

if (argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, content] of Object.entries(DASHBOARDS)) {
    writeFileSync(new URL(`dashboards/${name}.json`, import.meta.url), `${JSON.stringify(content, null, 2)}\n`)
  }
}
