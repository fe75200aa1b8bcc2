import { readdirSync, readFileSync } from 'node:fs'
import { buildSchema, parse, validate } from 'graphql'
import { describe, expect, it } from 'vitest'
import { settings } from '../../../src/config/settings.js'

const RUNBOOKS = readFileSync('docs/operations/runbooks.md', 'utf8')
const ALERTS = readFileSync('deploy/prometheus/rules/alerts.yml', 'utf8')
const SOURCE = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter(file => file.endsWith('.ts'))
  .map(file => readFileSync(`src/${file}`, 'utf8'))
  .join('\n')
// Programs of the machine, which the source need not know.
const OTHER_PROGRAMS = ['chronyc tracking']

/** What stands between backticks, on one line. */
const quoted = [...RUNBOOKS.replace(/```[\s\S]*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, text = '']) =>
  text.replace(/\s+/g, ' '),
)
const that = (pattern: RegExp) => {
  const found = quoted.filter(text => pattern.test(text))
  expect(found.length).toBeGreaterThan(0)
  return [...new Set(found)]
}

describe('the runbooks', () => {
  it('have a section for each alert, and the alert names it', () => {
    const sections = [...RUNBOOKS.matchAll(/^### (Riskgate\w+)$/gm)].map(([, name]) => name)
    const alerts = [...ALERTS.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name)
    expect(alerts.length).toBeGreaterThan(25)
    expect(sections).toEqual(alerts)
    const links = [...ALERTS.matchAll(/runbook: (\S+)/g)].map(([, link]) => link)
    expect(links).toEqual(alerts.map(name => `docs/operations/runbooks.md#${name.toLowerCase()}`))
  })

  it('say of each alert what it means, what to look at and what to do', () => {
    for (const section of RUNBOOKS.split('\n### ').slice(1)) {
      expect(section).toMatch(/\*\*Means\.\*\* .+\n[\s\S]*\*\*Look at\.\*\* .+\n[\s\S]*\*\*Do\.\*\* /)
    }
  })

  it('name commands of riskgate that exist', () => {
    const commands = [...readFileSync('src/main.ts', 'utf8').matchAll(/\.command\('(\w+)'/g)].map(([, name]) => name)
    for (const text of that(/^riskgate [a-z]/)) expect(commands).toContain(text.split(' ')[1])
  })

  it('name settings and metrics that exist', () => {
    for (const name of that(/^RISKGATE_/)) expect(Object.keys(settings.shape)).toContain(name)
    // test/integration/metrics.test.ts compares this page with a gateway.
    const page = readFileSync('docs/operations/health-and-metrics.md', 'utf8')
    for (const name of that(/^riskgate_\w+$/)) expect(page).toContain(`\`${name}`)
  })

  it('quote lines of the log, and labels, as the source writes them', () => {
    const sentences = that(/^[A-Za-z]+( [A-Za-z]+)+$/).filter(text => !/^riskgate /.test(text) && !OTHER_PROGRAMS.includes(text))
    expect(sentences.length).toBeGreaterThan(10)
    expect(sentences.filter(text => !SOURCE.includes(text))).toEqual([])
  })

  it('ask with queries that fit the schema', () => {
    const schema = buildSchema(readFileSync('schema.graphql', 'utf8'))
    for (const text of that(/^(webhooks|redeliverWebhook)\b.*\{/)) {
      const document = parse(text.startsWith('redeliver') ? `mutation { ${text} }` : `{ ${text} }`)
      expect(validate(schema, document).map(({ message }) => message)).toEqual([])
    }
  })
})
