import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
// A call of the logger at warn or error, or of the `warn` that lower floors are given, up to its message.
const MESSAGE = /\b(?:logger\.(?:warn|error)|(?:this\.#(?:settings\.)?)?#?warn)\((?:(?!\n\n)[^'`])*?'([^'\n]{12,})'/g

const source = readdirSync(`${ROOT}src`, { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .map(file => readFileSync(`${ROOT}src/${file}`, 'utf8'))
  .join('\n')
const page = readFileSync(`${ROOT}docs/operations/logs.md`, 'utf8')
const warnings = page.slice(page.indexOf('## Warnings and errors'))
const documented = [...warnings.matchAll(/^\| `([^`]+)` \| (?:warn|error)/gm)].map(([, message]) => message)

it('docs/operations/logs.md quotes warnings as the gateway logs them', () => {
  expect(documented.length).toBeGreaterThan(15)
  expect(documented.filter(message => !source.includes(`'${message}'`))).toEqual([])
})

it('docs/operations/logs.md has every warning and error that the gateway logs', () => {
  const logged = [...source.matchAll(MESSAGE)].map(([, message]) => message)
  expect(logged.length).toBeGreaterThan(15)
  expect([...new Set(logged)].filter(message => !documented.includes(message))).toEqual([])
})
