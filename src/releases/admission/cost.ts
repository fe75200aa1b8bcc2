import { readFileSync, writeFileSync } from 'node:fs'
import { cpuUsage, resourceUsage } from 'node:process'
import type { FeatureValues } from '../../scoring/features.js'
import type { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { MAX_ROWS_A_RUN } from '../../scoring/release.js'
import { type Cost, STALL_BUDGET_MS, stallsOf } from './stallBudget.js'

const LONE_ROWS = 20
const MOST_TRIES = 5

/** A sentence on what would hold the event loop for too long. */
export function costWarnings(cost: Cost): string[] {
  const stalls = stallsOf(cost)
  return stalls.length === 0
    ? []
    : [`${stalls.join(' and ')}: it will be served from a worker, which makes each score a little slower.`]
}

/**
 * What a model costs this process. Time of the processor is counted, which other work on the machine does not lengthen. `load` loads the
 * model once more.
 */
export async function measureCost(
  model: Pick<OnnxModel, 'run'>,
  applications: readonly FeatureValues[],
  loadMs: number,
  load: () => Promise<Pick<OnnxModel, 'release'>>,
): Promise<Cost> {
  const group = Array.from({ length: MAX_ROWS_A_RUN }, (_, i) => applications[i % applications.length] as FeatureValues)
  const groupMs = await leastMs(() => model.run(group), STALL_BUDGET_MS.group)
  const lone = group.slice(0, groupMs > STALL_BUDGET_MS.group ? 1 : LONE_ROWS)
  const { ms: loneMs } = await timed(async () => {
    for (const row of lone) await model.run([row])
  })
  const again = async () => (await load()).release()
  const leastLoadMs = loadMs <= STALL_BUDGET_MS.load ? loadMs : Math.min(loadMs, await leastMs(again, STALL_BUDGET_MS.load))
  return { loadMs: leastLoadMs, rowMs: loneMs / lone.length, groupMs, groupRows: MAX_ROWS_A_RUN, peakBytes: peakBytes() }
}

/** Does some work, and counts the milliseconds of the processor that it takes. */
export async function timed<Result>(work: () => Promise<Result>): Promise<{ readonly result: Result; readonly ms: number }> {
  const before = cpuUsage()
  const result = await work()
  const { user, system } = cpuUsage(before)
  return { result, ms: (user + system) / 1_000 }
}

/** What seems slow is tried again: the first time also compiles our own code. */
async function leastMs(work: () => Promise<unknown>, budgetMs: number): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let i = 0; i < MOST_TRIES && least > budgetMs; i++) least = Math.min(least, (await timed(work)).ms)
  return least
}

/** Forgets the peak of the version before. Only Linux can. */
export function resetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5')
  } catch {}
}

function peakBytes(): number {
  try {
    const [, kib] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? []
    if (kib !== undefined) return Number(kib) * 1024
  } catch {}
  return resourceUsage().maxRSS * 1024
}
