import type { Admission, VersionToCheck } from '../admission/admission.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import type { VersionOnDisk } from '../admission/readVersion.js'
import { rejectedReport } from '../admission/rejectedReport.js'
import { isBelieved, signReport } from '../admission/reportSignature.js'
import type { StoredVersion } from '../rollout/versionStore.js'

export type SignedReport = Pick<StoredVersion, 'report' | 'signature'>

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

  /** Whether a gateway of this installation has made the report, and of this version. */
  isTrusted({ model, version, ...signed }: Pick<StoredVersion, 'model' | 'version' | 'report' | 'signature'>): boolean {
    return signed.report.model === model && signed.report.version === version && isBelieved(signed, this.#key)
  }

  /**
   * The report of exactly this content, where there is one to believe: it need not be checked again. A stored one that refuses is not
   * believed for ever, as limits of the checks may have been raised.
   */
  known({ content }: Pick<VersionOnDisk, 'content'>, stored: SignedReport | undefined): SignedReport | undefined {
    const own = this.#own.get(content)
    if (own) return this.#signed(own)
    const isSigned = this.#key !== undefined && stored !== undefined && isBelieved(stored, this.#key)
    return isSigned && stored.report.content === content && stored.report.problems.length === 0 ? stored : undefined
  }

  /** Runs the checks. @throws Error where nothing can be checked here */
  async check(version: VersionOnDisk, champion: VersionToCheck['champion']): Promise<SignedReport> {
    const { manifest } = version
    const report = manifest
      ? await this.#admission.check({ ...version, manifest, champion }, this.#signal)
      : rejectedReport(version, version.problems)
    // Folders without a readable manifest may all have the same content.
    if (manifest) this.#own.set(report.content, report)
    return this.#signed(report)
  }

  #signed(report: AdmissionReport): SignedReport {
    return { report, signature: this.#key && signReport(report, this.#key) }
  }
}
