import { Histogram, Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { Distribution } from '../../../src/observability/distribution.js'

it('a distribution reads as the histogram of prom-client with the same values, on its bounds too', async () => {
  const [ours, theirs] = [new Registry(), new Registry()]
  const options = { name: 'call_seconds', help: 'Calls.', labelNames: ['route', 'result'], buckets: [0.001, 0.25, 1] }
  const distribution = new Distribution({ ...options, registry: ours })
  const histogram = new Histogram({ ...options, registers: [theirs] })
  for (const [route, value] of [
    ['/a', 0.001],
    ['/a', 0.0011],
    ['/b', 0.25],
    ['/a', 1],
    ['/a', 7],
    ['/b', 0],
  ] as const) {
    distribution.of(route, 'ok').observe(value)
    histogram.observe({ route, result: 'ok' }, value)
  }
  distribution.of('/none', 'ok')
  histogram.zero({ route: '/none', result: 'ok' })
  // The order of labels means nothing.
  const sorted = (text: string) =>
    text.split('\n').map(line => line.replace(/\{(.*)\}/, (_, labels: string) => labels.split(',').sort().join()))
  expect(sorted(await ours.metrics())).toEqual(sorted(await theirs.metrics()))
})
