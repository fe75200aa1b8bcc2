import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { settings } from '../../../src/config/settings.js'

it('docs/operations/settings.md has a row for every setting, and for no other', () => {
  const text = readFileSync(new URL('../../../docs/operations/settings.md', import.meta.url), 'utf8')
  const rows = text.split('\n').filter(line => line.startsWith('| `'))
  const documented = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, key]) => key))
  expect([...new Set(documented)].sort()).toEqual(Object.keys(settings.shape).sort())
})
