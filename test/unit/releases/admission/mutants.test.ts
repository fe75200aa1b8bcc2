import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { FeatureValues } from '../../../../src/scoring/features.js'
import { IS_LONG } from '../../../support/longTests.js'
import { checkMutants, MUTATIONS } from '../../../support/mutants.js'
import { randomFrom } from '../../../support/random.js'

// `npm run test:models` tries 1,000 flips, and takes a minute or two.
const countOf = (mutation: string) => (!IS_LONG ? 3 : mutation.includes('flipped') ? 500 : 100)
const MOST_STALL_MS = 100

let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'riskgate-mutants-'))
})
afterAll(() => rm(directory, { recursive: true }))

it.each(Object.keys(MUTATIONS))(
  'graphs with %s are refused, or answer every golden row as before, and never hold the gateway',
  async mutation => {
    const mutants = Array.from({ length: countOf(mutation) }, (_, i) => ({ version: i % 3 === 0 ? '1' : '2', mutation }))
    const held = readFileSync(new URL('../../../../training/held_out.jsonl', import.meta.url), 'utf8')
      .trim()
      .split('\n')
    const others = held.slice(0, 200).map(line => JSON.parse(line).features as FeatureValues)
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()
    const figures = await checkMutants(directory, mutants, { random: randomFrom(13), others })
    delay.disable()
    if (IS_LONG)
      process.stdout.write(`${JSON.stringify({ mutation, ...figures, longestDelayMs: Math.round(delay.max / 1e6) })}\n`)
    expect(figures).toMatchObject({ checked: mutants.length, wrong: [] })
    expect(figures.mostCpuMs).toBeLessThan(MOST_STALL_MS)
  },
  600_000,
)
