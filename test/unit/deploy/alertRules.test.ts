import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'

const PROMTOOL = process.env.TEST_PROMTOOL
const ALERTS = [...readFileSync('deploy/prometheus/rules/alerts.yml', 'utf8').matchAll(/- alert: (\w+)/g)].map(
  ([, name = '']) => name,
)
const TESTS = ['rules.test.yml', 'rules.long.test.yml']

const promtool = (...arguments_: string[]) =>
  spawnSync(String(PROMTOOL), arguments_, { cwd: 'deploy/prometheus', encoding: 'utf8', timeout: 100_000 })

it('each alert has a test in which it fires', () => {
  const tests = TESTS.map(file => readFileSync(`deploy/prometheus/${file}`, 'utf8')).join('\n')
  const fired = new Set([...tests.matchAll(/alertname="(\w+)"/g)].map(([, name]) => name))
  expect(ALERTS.filter(name => !fired.has(name))).toEqual([])
})

it.skipIf(!PROMTOOL)(
  'the alerts fire as their tests say, and no other alert does',
  () => {
    const { status, stdout, stderr } = promtool('test', 'rules', ...TESTS)
    expect([status, `${stdout}${stderr}`]).toEqual([0, expect.stringContaining('SUCCESS')])
  },
  120_000,
)
