import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { loadRelease } from '../../src/releases/serving/loadRelease.js'
import { bundledVersion } from '../support/admittedVersions.js'
import { type LoadResults, memoryNow, percentile, SwapStage } from '../support/swaps.js'

const ROUNDS = 10
const SWAPS_A_ROUND = 10
const SWAPS = ROUNDS * SWAPS_A_ROUND
const CONNECTIONS = 32
const PAUSE_MS = 200
const LOADS = 100

it('100 swaps under load: no call fails, one version per answer, and the figures of latency and memory', async () => {
  await using stage = await SwapStage.open(CONNECTIONS)
  // Caches fill, code is compiled and the heap finds its size before the measurement.
  await stage.under(() => stage.swap(5 * SWAPS_A_ROUND, PAUSE_MS))
  const start = memoryNow()
  await stage.under(() => sleep(ROUNDS * SWAPS_A_ROUND * PAUSE_MS))
  const before = memoryNow()
  const [quiet, swapped]: [LoadResults[], LoadResults[]] = [[], []]
  const swaps: number[] = []
  // In turns: other work on the machine slows both down alike.
  for (let round = 0; round < ROUNDS; round++) {
    quiet.push(await stage.under(() => sleep(SWAPS_A_ROUND * PAUSE_MS)))
    swapped.push(await stage.under(async () => void swaps.push(...(await stage.swap(SWAPS_A_ROUND, PAUSE_MS)))))
  }
  const after = memoryNow()

  for (const { failed, wrong, mixed } of [...quiet, ...swapped]) {
    expect({ failed, wrong, mixed }).toEqual({ failed: [], wrong: 0, mixed: 0 })
  }
  for (const { versions } of swapped) expect(Object.keys(versions)).toEqual(['1', '2'])
  const p99 = (all: readonly LoadResults[]) =>
    percentile(
      all.flatMap(({ latencies }) => latencies),
      0.99,
    )
  const calls = swapped.reduce((sum, { singles, batches }) => sum + singles + batches, 0)
  const grown = (after.resident - before.resident) / SWAPS
  const lines = [
    `${SWAPS} swaps under ${CONNECTIONS} connections: 0 of ${calls} calls failed`,
    `p99 ${p99(quiet).toFixed(1)} ms without swaps, ${p99(swapped).toFixed(1)} ms with: x ${(p99(swapped) / p99(quiet)).toFixed(2)}`,
    `a swap took ${percentile(swaps, 0.5).toFixed(0)} ms (median), ${percentile(swaps, 1).toFixed(0)} ms (longest)`,
    `heap ${shown(start.heap, before.heap)} by load alone, ${shown(before.heap, after.heap)} by load and swaps`,
    `resident ${shown(start.resident, before.resident)} by load alone, ${shown(before.resident, after.resident)} by load and swaps: ` +
      `${grown.toFixed(2)} MiB a swap`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}, 300_000)

it('100 loads and ends of a version leave next to nothing in memory', async () => {
  const version = await bundledVersion('2')
  for (const place of ['on the event loop', 'in a worker'] as const) {
    const watch = { observeScoring: () => {}, warn: () => {}, workerEnded: () => {}, alwaysInWorker: place === 'in a worker' }
    const loads = async (times: number) => {
      for (let i = 0; i < times; i++) await (await loadRelease(version, watch)).retire()
    }
    await loads(50)
    const before = memoryNow()
    await loads(LOADS)
    const after = memoryNow()
    const each = (after.resident - before.resident) / LOADS
    process.stdout.write(
      `${LOADS} loads ${place}: resident ${shown(before.resident, after.resident)}, ${each.toFixed(3)} MiB a load\n`,
    )
    expect(after.resident).toBeLessThan(before.resident * 1.1)
  }
}, 300_000)

function shown(from: number, to: number): string {
  return `${from.toFixed(0)} -> ${to.toFixed(0)} MiB (${(100 * (to / from - 1)).toFixed(1)} %)`
}
