import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { DASHBOARDS } from '../../../deploy/grafana/dashboards.mjs'

it('the dashboards are those that `npm run generate` writes', () => {
  expect(readdirSync('deploy/grafana/dashboards').sort()).toEqual(
    Object.keys(DASHBOARDS)
      .map(name => `${name}.json`)
      .sort(),
  )
  for (const [name, content] of Object.entries(DASHBOARDS)) {
    expect(readFileSync(`deploy/grafana/dashboards/${name}.json`, 'utf8')).toBe(`${JSON.stringify(content, null, 2)}\n`)
  }
})
