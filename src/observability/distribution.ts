import type { Metric, Registry } from 'prom-client'
import { Labelled, labelsOf } from './labelled.js'

export interface DistributionOptions {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  /** The upper bounds of its intervals, rising. */
  readonly buckets: readonly number[]
  readonly registry: Registry
}

/** A histogram for hot paths: see Tally. Prometheus sees a classic histogram. */
export class Distribution extends Labelled<Observations> {
  constructor({ name, help, labelNames, buckets, registry }: DistributionOptions) {
    super(() => new Observations(buckets))
    const values = () => [...this.all()].flatMap(([given, seen]) => seen.series(name, labelsOf(labelNames, given)))
    // What the registry asks of a metric; the type of prom-client's metrics has more.
    const metric = {
      name,
      get: async () => ({ name, help, type: 'histogram', values: values(), aggregator: 'sum' }),
      reset: () => {},
    }
    registry.registerMetric(metric as unknown as Metric)
  }
}

/** How many values were observed in each interval. */
export class Observations {
  readonly #bounds: readonly number[]
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Array(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let i = 0
    while (i < this.#bounds.length && value > (this.#bounds[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#sum += value
  }

  series(name: string, labels: Readonly<Record<string, string>>) {
    let count = 0
    const buckets = this.#counts.map((more, i) => {
      count += more
      return { metricName: `${name}_bucket`, labels: { ...labels, le: String(this.#bounds[i] ?? '+Inf') }, value: count }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: count },
    ]
  }
}
