import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Admission, VersionToCheck } from './admission.js'
import { type AdmissionReport, admissionReportSchema } from './admissionReport.js'
import { type AdmissionLimits, endChild, startChild, within } from './checkingChild.js'
import { rejectedReport } from './rejectedReport.js'

type Answer = { readonly report: unknown } | { readonly says: string }

/**
 * Checks versions in a process of its own, one after another. A graph that crashes it, never ends or needs too much memory costs that
 * process; its version is refused, and the next one gets a new process.
 */
export class AdmissionProcess implements Admission {
  readonly #limits: AdmissionLimits
  readonly #shell: string | undefined
  #child: ChildProcess | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** `shell`: another one than /bin/sh. */
  constructor(limits: AdmissionLimits, shell?: string) {
    this.#limits = within(limits)
    this.#shell = shell
  }

  /** @throws Error where no process can be started, or the signal has been given */
  check(version: VersionToCheck, signal?: AbortSignal): Promise<AdmissionReport> {
    const report = this.#last.then(() => this.#check(version, signal))
    this.#last = report.catch(() => {})
    return report
  }

  /** Ends the process. The next check starts another. */
  async close(): Promise<void> {
    await this.#last
    await this.#end()
  }

  async #check(version: VersionToCheck, signal: AbortSignal | undefined): Promise<AdmissionReport> {
    signal?.throwIfAborted()
    this.#child = isAlive(this.#child) ? this.#child : await startChild(this.#limits, this.#shell)
    try {
      const answer = await this.#ask(this.#child, version, signal)
      if ('report' in answer) return admissionReportSchema.parse(answer.report)
      await this.#end()
      return rejectedReport(version, [`${version.name}/${version.manifest.onnx.file}: ${answer.says}`])
    } catch (error) {
      await this.#end()
      throw error
    }
  }

  /** Waits for an answer, the end of the process, the end of its time, or the signal, whichever comes first. */
  async #ask(child: ChildProcess, version: VersionToCheck, signal: AbortSignal | undefined): Promise<Answer> {
    const { seconds, memoryMib } = this.#limits
    const time = AbortSignal.timeout(seconds * 1_000)
    const answered = new AbortController()
    const options = { signal: AbortSignal.any([time, answered.signal, ...(signal ? [signal] : [])]) }
    try {
      // A process that has just ended is told by its exit.
      child.send(version, () => {})
      return await Promise.race([
        once(child, 'message', options).then(([report]): Answer => ({ report })),
        once(child, 'exit', options).then(([code, name]): Answer => ({ says: died(name ?? code, memoryMib) })),
      ])
    } catch (error) {
      if (signal?.aborted || !time.aborted) throw error
      return { says: late(seconds) }
    } finally {
      answered.abort()
    }
  }

  async #end(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    if (child) await endChild(child)
  }
}

function isAlive(child: ChildProcess | undefined): child is ChildProcess {
  return child?.connected === true && child.exitCode === null && child.signalCode === null
}

function late(seconds: number): string {
  return `its checks did not end within ${seconds} s. Export it without an endless loop, or set RISKGATE_ADMISSION_SECONDS higher.`
}

function died(how: string | number, memoryMib: number): string {
  return (
    `its checks ended the process that ran them (${how}). Export it again. A large graph may need more than ${memoryMib} MiB: ` +
    'then set RISKGATE_ADMISSION_MEMORY_MIB higher.'
  )
}
