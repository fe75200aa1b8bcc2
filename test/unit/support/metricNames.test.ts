import { spawnSync } from 'node:child_process'
import { expect, it } from 'vitest'
import { misnamed } from '../../support/metricNames.js'
import { familiesOf } from '../../support/promText.js'

const WRONG: readonly (readonly [name: string, type: string, labels: string])[] = [
  ['handles_total', 'gauge', 'a="b"'],
  ['requests', 'counter', 'a="b"'],
  ['requests_count', 'gauge', 'a="b"'],
  ['requests_sum', 'gauge', 'a="b"'],
  ['requests_bucket', 'gauge', 'a="b"'],
  ['wait_milliseconds', 'gauge', 'a="b"'],
  ['wait_ms', 'gauge', 'a="b"'],
  ['age_hours', 'gauge', 'a="b"'],
  ['size_kilobytes', 'gauge', 'a="b"'],
  ['size_mb', 'gauge', 'a="b"'],
  ['request_counter_total', 'counter', 'a="b"'],
  ['openSockets', 'gauge', 'a="b"'],
  ['open_sockets', 'gauge', 'leftHand="1"'],
  ['open_sockets', 'gauge', 'le="1"'],
  ['open_sockets', 'gauge', 'quantile="0.5"'],
]
const textOf = (name: string, type: string, labels = 'a="b"') =>
  `# HELP ${name} A text.\n# TYPE ${name} ${type}\n${name}{${labels}} 1\n`
const checked = (text: string) =>
  spawnSync(String(process.env.TEST_PROMTOOL), ['check', 'metrics'], { input: text, encoding: 'utf8' })

it.each(WRONG)('a metric is misnamed: %s, %s, %s', (name, type, labels) => {
  expect(familiesOf(textOf(name, type, labels)).flatMap(misnamed)).toHaveLength(1)
})

it('a metric without help is misnamed', () => {
  expect(familiesOf('# HELP a_seconds \n# TYPE a_seconds gauge\na_seconds 1\n').flatMap(misnamed)).toEqual([
    'a_seconds has no help',
  ])
})

it.each([
  ['requests_total', 'counter'],
  ['wait_seconds', 'gauge'],
  ['size_bytes', 'gauge'],
  ['used_ratio', 'gauge'],
])('a metric is named well: %s, %s', (name, type) => {
  expect(familiesOf(textOf(name, type)).flatMap(misnamed)).toEqual([])
})

it.skipIf(!process.env.TEST_PROMTOOL)('promtool agrees', () => {
  for (const [name, type, labels] of WRONG) expect([name, checked(textOf(name, type, labels)).status]).toEqual([name, 3])
  expect(checked(textOf('wait_seconds', 'gauge')).status).toBe(0)
})
