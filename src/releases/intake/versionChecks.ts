import type { Admission, VersionToCheck } from '../admission/admission.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import type { VersionOnDisk } from '../admission/readVersion.js'
import { rejectedReport } from '../admission/rejectedReport.js'
import { isSignedBy, signReport } from '../admission/reportSignature.js'
import type { StoredVersion } from '../rollout/versionStore.js'

type SignedReport = Pick<StoredVersion, 'report' | 'signature'>

/** Gets the report of a version: one that this gateway has made, one that a holder of the key has signed, or a new one. */
export class VersionChecks {
  readonly #admission: Admission
  readonly #key: Uint8Array | undefined
  readonly #signal: AbortSignal
  /** Made by this process, by their content. */
  readonly #own = new Map<string, AdmissionReport>()

  /** Without a key nobody else's report is believed. The signal gives up checks that still run. */
  constructor(admission: Admission, key: Uint8Array | undefined, signal: AbortSignal) {
    this.#admission = admission
    this.#key = key
    this.#signal = signal
  }

  isTrusted({ report, signature }: SignedReport): boolean {
    if (this.#own.has(report.content)) return true
    return this.#key !== undefined && signature !== undefined && isSignedBy(report, signature, this.#key)
  }

  /** The report of exactly this content, where there is one to believe: it need not be checked again. */
  known({ content }: Pick<VersionOnDisk, 'content'>, stored: SignedReport | undefined): SignedReport | undefined {
    if (stored && stored.report.content === content && this.isTrusted(stored)) return stored
    const own = this.#own.get(content)
    return own && this.#signed(own)
  }

  /** Runs the checks. @throws Error where nothing can be checked here */
  async check(version: VersionOnDisk, champion: VersionToCheck['champion']): Promise<SignedReport> {
    const { manifest } = version
    const report = manifest
      ? await this.#admission.check({ ...version, manifest, champion }, this.#signal)
      : rejectedReport(version, version.problems)
    this.#own.set(report.content, report)
    return this.#signed(report)
  }

  #signed(report: AdmissionReport): SignedReport {
    return { report, signature: this.#key && signReport(report, this.#key) }
  }
}
