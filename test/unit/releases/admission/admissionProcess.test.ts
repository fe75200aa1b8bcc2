import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { AdmissionProcess } from '../../../../src/releases/admission/admissionProcess.js'
import { fixture, versionOf } from '../../support/hostileGraphs.js'

describe('the process of the checks', () => {
  let directory: string
  let admission: AdmissionProcess
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'riskgate-admission-'))
  })
  afterEach(() => admission.close())
  afterAll(() => rm(directory, { recursive: true }))

  const limited = (limits: { seconds?: number; memoryMib?: number } = {}, shell?: string) => {
    admission = new AdmissionProcess({ seconds: 30, memoryMib: 1_024, ...limits }, shell)
    return admission
  }
  const version = async (name: string) => versionOf(join(directory, name), await fixture(`${name}.onnx`))

  it('admits a version, and gives the answers of its golden rows', async () => {
    const report = await limited().check(await version('one-column'))
    expect(report).toMatchObject({ problems: [], championProblems: [], golden: { rows: 8 }, rowByRow: false })
    expect(report.answers.length).toBeGreaterThan(8)
    expect(report.cost?.peakBytes).toBeGreaterThan(2 ** 20)
  })

  it('ends with its time, refuses the version, and checks the next one in a new process', async () => {
    const checking = limited({ seconds: 2 })
    const [endless, fine] = await Promise.all([
      checking.check(await version('hostile/endless-loop')),
      checking.check(await version('one-column')),
    ])
    expect(endless.problems).toEqual([
      'test-model/1/model.onnx: its checks did not end within 2 s. Export it without an endless loop, or set ' +
        'RISKGATE_ADMISSION_SECONDS higher.',
    ])
    expect(fine.problems).toEqual([])
  })

  it.runIf(existsSync('/bin/sh'))('gets no more memory than its limit, and checks the next version', async () => {
    const checking = limited({ memoryMib: 512 })
    const large = await checking.check(await version('hostile/large-allocation'))
    expect(large.problems).toEqual([expect.stringMatching(/model\.onnx: .*allocate memory .* set RISKGATE_ADMISSION_MEMORY_MIB/)])
    const huge = await checking.check(await version('hostile/huge-shape'))
    expect(huge.problems).toEqual([expect.stringMatching(/model\.onnx: the graph cannot score the golden rows: .*overflow/)])
    expect((await checking.check(await version('one-column'))).problems).toEqual([])
  })

  it.runIf(existsSync('/proc/self/statm'))('is ended above this limit where there is no shell to set it', async () => {
    const checking = limited({ memoryMib: 256 }, '/no/shell')
    const large = await checking.check(await version('hostile/large-allocation'))
    expect(large.problems).toEqual([expect.stringMatching(/its checks ended the process that ran them \(SIGKILL\)/)])
    expect((await checking.check(await version('one-column'))).problems).toEqual([])
  })

  it('ends when its gateway is killed, even within an endless graph', async () => {
    const module = new URL('../../../../dist/releases/admission/checkingChild.js', import.meta.url)
    const program = `const { startChild } = await import('${module}')
      const child = await startChild({ seconds: 2, memoryMib: 1024 })
      child.send(JSON.parse(process.argv[1]), () => console.log(child.pid))`
    const endless = JSON.stringify(await version('hostile/endless-loop'))
    const gateway = spawn(process.execPath, ['--input-type=module', '-e', program, endless], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [pid] = await once(gateway.stdout, 'data')
    gateway.kill('SIGKILL')
    await vi.waitFor(() => expect(() => process.kill(Number(pid), 0)).toThrow('ESRCH'), { timeout: 30_000 })
  }, 40_000)

  it('gives up a check when the gateway stops', async () => {
    const stop = new AbortController()
    const pending = limited().check(await version('hostile/endless-loop'), stop.signal)
    setImmediate(() => stop.abort(new Error('stopped')))
    await expect(pending).rejects.toThrow()
  })
})
