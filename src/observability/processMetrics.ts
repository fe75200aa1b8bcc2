import { Counter, collectDefaultMetrics, type Registry } from 'prom-client'

/** Gauges whose names are those of counters. Each is the sum of another metric over its label `type`. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total']

/** Registers the metrics of the process and of Node. They have no prefix: by these names dashboards for any Node program find them. */
export function collectProcessMetrics(registry: Registry): void {
  collectDefaultMetrics({ register: registry })
  for (const name of MISNAMED) registry.removeSingleMetric(name)
  new Counter({
    name: 'riskgate_event_loop_active_seconds_total',
    help: 'Time in which the event loop was not idle; at a rate of 1 it takes no more work.',
    registers: [registry],
    collect() {
      this.reset()
      this.inc(performance.eventLoopUtilization().active / 1_000)
    },
  })
}
