import { expect, it } from 'vitest'
import { Metrics } from '../../../src/observability/metrics.js'
import { observeMalformed } from '../../../src/start/reports.js'

it('each malformed request is counted, and each kind is logged once a minute', async () => {
  const lines: unknown[] = []
  const metrics = new Metrics()
  let now = 0
  const observe = observeMalformed(metrics, { warn: (fields: unknown) => lines.push(fields) } as never, () => now)
  for (let i = 0; i < 1_000; i++) observe('malformed')
  observe('too slow')
  now = 60_000
  observe('malformed')
  expect(lines).toEqual([
    { why: 'malformed', count: 1 },
    { why: 'too slow', count: 1 },
    { why: 'malformed', count: 1_000 },
  ])
  const { values } = await metrics.malformedRequests.get()
  expect(values.map(({ labels, value }) => [labels.why, value])).toEqual([
    ['malformed', 1_001],
    ['headers too large', 0],
    ['too slow', 1],
    ['silent', 0],
    ['no TLS', 0],
  ])
})
