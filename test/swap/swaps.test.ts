import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { type LoadResults, memoryNow, percentile, SwapStage } from '../support/swaps.js'

const ROUNDS = 10
const SWAPS_A_ROUND = 10
const SWAPS = ROUNDS * SWAPS_A_ROUND
const CONNECTIONS = 32
const PAUSE_MS = 200

it('100 swaps under load: no call fails, one version per answer, and the figures of latency and memory', async () => {
  await using stage = await SwapStage.open(CONNECTIONS)
  // Caches fill and code is compiled before the measurement.
  await stage.under(() => stage.swap(SWAPS_A_ROUND, PAUSE_MS))
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
    `heap ${shown(before.heap, after.heap)}; resident ${shown(before.resident, after.resident)}, ${grown.toFixed(2)} MiB a swap`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}, 300_000)

function shown(from: number, to: number): string {
  return `${from.toFixed(0)} -> ${to.toFixed(0)} MiB (${(100 * (to / from - 1)).toFixed(1)} %)`
}
