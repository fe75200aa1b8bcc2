import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type AdmittedVersion, loadRelease, needsWorker } from '../../src/releases/serving/loadRelease.js'
import { OnnxModel } from '../../src/scoring/onnx/onnxModel.js'
import type { Release } from '../../src/scoring/release.js'
import { admittedVersion, bundledVersion, LARGE } from '../support/admittedVersions.js'
import { bigModel } from '../support/bigModel.js'
import { liveThreads } from '../support/threads.js'

const watch = { observeScoring: () => {}, warn: () => {}, workerEnded: () => {} }

/** The longest time for which the event loop did nothing else than a part of this work, in milliseconds. */
async function longestStall(work: () => Promise<unknown>): Promise<number> {
  const delays = monitorEventLoopDelay({ resolution: 1 })
  // Its clock begins to tick.
  await sleep(20)
  delays.enable()
  await sleep(5)
  await work()
  await sleep(5)
  delays.disable()
  return delays.max / 1e6
}

const scoreAll = (release: Release, rows: AdmittedVersion['rows']) => Promise.all(rows.map(row => release.score(row)))

describe('the load of an admitted version', () => {
  it.each(['1', '2'] as const)('serves the bundled version %s on the event loop, and its threads are none', async name => {
    const version = await bundledVersion(name)
    const before = liveThreads()
    let release: Release | undefined
    const stall = await longestStall(async () => {
      release = await loadRelease(version, watch)
    })
    expect(liveThreads()).toBe(before)
    const scores = await scoreAll(release as Release, version.rows)
    expect(scores.map(({ probability }) => probability)).toEqual(version.report.answers)
    await release?.retire()
    report(`version ${name} of the bundled model: the load held the event loop up for ${stall.toFixed(1)} ms at most`)
  })

  it('serves 1,000 trees of depth 8 over 200 features from a worker', async () => {
    const files = bigModel(1_000)
    const version = await admittedVersion(files, LARGE)
    const onLoop = await longestStall(async () => {
      const model = await OnnxModel.load(files.graph, files.manifest)
      await model.run(files.rows)
      await model.release()
    })
    const before = liveThreads()
    let release: Release | undefined
    const load = await longestStall(async () => {
      release = await loadRelease(version, watch)
    })
    expect(liveThreads()).toBe(before + 1)
    let scores: readonly { probability: number }[] = []
    const run = await longestStall(async () => {
      scores = await scoreAll(release as Release, version.rows)
    })
    expect(scores.map(({ probability }) => probability)).toEqual(version.report.answers)
    await release?.retire()
    expect(liveThreads()).toBe(before)
    report(
      `1,000 trees of depth 8, 200 features, 256 rows: the event loop was held up for ${load.toFixed(1)} ms at most by the load in a ` +
        `worker and ${run.toFixed(1)} ms by a run there; load and run on it would take ${onLoop.toFixed(0)} ms at a stretch`,
    )
  })

  it('compares the answers with those of the admission bit by bit, and frees a model that differs', async () => {
    const version = await bundledVersion('1')
    const before = liveThreads()
    const answers = version.report.answers.map((answer, i) => (i === 270 ? answer + 2 ** -40 : answer))
    const changed = { ...version, report: { ...version.report, answers } }
    await expect(loadRelease(changed, watch)).rejects.toThrow(
      /^row 271 gets 0\.\d+ here, and got 0\.\d+ when the version was admitted$/,
    )
    await expect(loadRelease(changed, { ...watch, alwaysInWorker: true })).rejects.toThrow('row 271')
    expect(liveThreads()).toBe(before)
    const fewer = { ...version, report: { ...version.report, answers: answers.slice(0, 5) } }
    await expect(loadRelease(fewer, watch)).rejects.toThrow('its golden rows are not those of its checks')
  })

  it('gives a shadow a worker whatever it costs', async () => {
    const version = await bundledVersion('1')
    const before = liveThreads()
    const release = await loadRelease(version, { ...watch, alwaysInWorker: true })
    expect(liveThreads()).toBe(before + 1)
    await release.retire()
    expect(liveThreads()).toBe(before)
  })

  it('needs a worker where the load, or a full group, takes too long, and where nobody knows', () => {
    const cost = { loadMs: 50, rowMs: 1, groupMs: 5, groupRows: 128, peakBytes: 0 }
    expect(needsWorker({ cost })).toBe(false)
    expect(needsWorker({ cost: { ...cost, loadMs: 51 } })).toBe(true)
    expect(needsWorker({ cost: { ...cost, groupMs: 6 } })).toBe(true)
    expect(needsWorker({ cost: undefined })).toBe(true)
  })
})

function report(line: string): void {
  process.stdout.write(`${line}\n`)
}
