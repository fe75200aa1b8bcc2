import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { REFUSALS } from '../../../src/config/refusals.js'
import { SECRETS, SETTING_GROUPS, settings } from '../../../src/config/settings.js'
import { settingsPage } from '../../generateSettingsPage.mjs'

const SOURCE = { groups: SETTING_GROUPS, secrets: SECRETS, refusals: REFUSALS }
const text = readFileSync(new URL('../../../docs/operations/settings.md', import.meta.url), 'utf8')

describe('docs/operations/settings.md', () => {
  it('is made from the settings as they are', () => {
    expect(settingsPage(text, SOURCE)).toBe(text)
  })

  it('has a row for every setting, and for no other', () => {
    const rows = text.split('\n').filter(line => line.startsWith('| `'))
    const documented = rows.flatMap(row => [...(row.split('|')[1] ?? '').matchAll(/`([A-Z_]+)`/g)].map(([, key]) => key))
    expect([...new Set(documented)].sort()).toEqual(Object.keys(settings.shape).sort())
  })

  it('follows a change of a default, a range, a description, a secret or a refusal, and keeps what is written by hand', () => {
    const whole = z.string().transform(Number).pipe(z.int().min(1).max(20_000)).default(7).describe('how many')
    const made = settingsPage(text, {
      groups: { Birds: { RISKGATE_BIRDS: whole, RISKGATE_NEST: z.string().optional().describe('where') } },
      secrets: ['RISKGATE_NEST'],
      refusals: [{ problem: 'RISKGATE_BIRDS must not be 3.' }],
    })
    expect(made).toContain('\n## Birds\n')
    expect(made).toContain('\n| `RISKGATE_BIRDS` | `7` | 1 to 20,000 | how many |\n')
    expect(made).toContain('| `RISKGATE_NEST` |  |  | where. **Secret**: may also come from a file, `RISKGATE_NEST_FILE` |\n')
    expect(made).toContain('\n- `RISKGATE_BIRDS` must not be 3.\n')
    expect(made).not.toContain('RISKGATE_PORT')
    expect(made.slice(0, 200)).toBe(text.slice(0, 200))
    expect(made.slice(-200)).toBe(text.slice(-200))
  })

  it('is not made from a setting without a description, or without its marks', () => {
    expect(() => settingsPage(text, { ...SOURCE, groups: { Birds: { RISKGATE_BIRDS: z.string() } } })).toThrow('RISKGATE_BIRDS')
    expect(() => settingsPage('# Settings', SOURCE)).toThrow('marks')
  })
})
