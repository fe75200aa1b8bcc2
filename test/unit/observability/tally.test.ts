import { Registry } from 'prom-client'
import { expect, it } from 'vitest'
import { Tally } from '../../../src/observability/tally.js'

it('a tally shows each count under its labels, also those at zero, however often it is read', async () => {
  const registry = new Registry()
  const tally = new Tally({ name: 'calls_total', help: 'Calls.', labelNames: ['route', 'code'], registers: [registry] })
  tally.of('/a', 'NONE')
  for (let i = 0; i < 3; i++) tally.of('/a', 'OK').count++
  tally.of('/b', 'OK').count++
  const lines = async () => (await registry.metrics()).split('\n').filter(line => !line.startsWith('#') && line)
  const shown = [
    'calls_total{route="/a",code="NONE"} 0',
    'calls_total{route="/a",code="OK"} 3',
    'calls_total{route="/b",code="OK"} 1',
  ]
  expect([await lines(), await lines()]).toEqual([shown, shown])
})
