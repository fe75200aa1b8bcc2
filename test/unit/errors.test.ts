import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ERROR_CODES } from '../../src/errors.js'

it('docs/errors.md lists exactly the codes of the table, each with its status and whether to retry', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8')
  const rows = [...text.matchAll(/^\| ([A-Z_]+) \| (\d{3}) \| (yes|no) \| .{20,} \|$/gm)]
  const documented = rows.map(([, code, status, retryable]) => [code, { status: Number(status), retryable: retryable === 'yes' }])
  expect(Object.fromEntries(documented)).toEqual(ERROR_CODES)
})
