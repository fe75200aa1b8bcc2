import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { AdmissionProcess } from '../../../../src/releases/admission/admissionProcess.js'
import { allocation, endlessLoop, versionOf } from '../../support/hostileGraphs.js'

describe('the process of the checks', () => {
  let directory: string
  let admission: AdmissionProcess
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-admission-'))
  })
  afterEach(() => admission.close())
  afterAll(() => rm(directory, { recursive: true }))

  const limited = (limits: { seconds?: number; memoryMib?: number } = {}) => {
    admission = new AdmissionProcess({ seconds: 30, memoryMib: 1_024, ...limits })
    return admission
  }
  const version = async (name: string, graph?: Uint8Array) => versionOf(join(directory, name), graph)

  it('admits a version, and gives the answers of its golden rows', async () => {
    const report = await limited().check(await version('fine'))
    expect(report).toMatchObject({ problems: [], championProblems: [], golden: { rows: 2 }, rowByRow: false })
    expect(report.answers.length).toBeGreaterThan(2)
    expect(report.cost?.peakBytes).toBeGreaterThan(2 ** 20)
  })

  it('ends with its time, refuses the version, and checks the next one in a new process', async () => {
    const checking = limited({ seconds: 3 })
    const [endless, fine] = await Promise.all([
      checking.check(await version('endless', endlessLoop())),
      checking.check(await version('fine')),
    ])
    expect(endless.problems).toEqual([
      'test-model/1/model.onnx: its checks did not end within 3 s. Export it without an endless loop, or set ' +
        'RISKGATE_ADMISSION_SECONDS higher.',
    ])
    expect(fine.problems).toEqual([])
  })

  it.runIf(existsSync('/bin/sh'))('gets no more memory than its limit, and goes on', async () => {
    const checking = limited({ memoryMib: 512 })
    const large = await checking.check(await version('large', allocation(8)))
    expect(large.problems).toEqual([expect.stringMatching(/alloc|memory/i)])
    expect((await checking.check(await version('fine'))).problems).toEqual([])
  })

  it('gives up a check when the gateway stops', async () => {
    const stop = new AbortController()
    const pending = limited().check(await version('endless', endlessLoop()), stop.signal)
    setImmediate(() => stop.abort(new Error('stopped')))
    await expect(pending).rejects.toThrow()
  })
})
