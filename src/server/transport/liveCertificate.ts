import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { ConfigError } from '../../errors.js'
import { type Certificate, type CertificatePair, checkPair } from './certificate.js'

// Kubernetes renews files by moving a link, which no watch of the file follows, so their contents are compared.
const CHECK_EVERY_MS = 5_000
const DAY_MS = 86_400_000
const WARN_BEFORE_MS = 14 * DAY_MS

export interface LiveCertificateOptions {
  readonly certFile: string
  readonly keyFile: string
  readonly loaded: (expiresAt: Date) => void
  /** Called once for each pair that cannot be used; the pair before it stays. */
  readonly refused: (problem: string) => void
  /** Called once a day while fewer than 14 days are left. */
  readonly expiresSoon: (expiresAt: Date) => void
  readonly now?: () => Date
  readonly checkEveryMs?: number
}

/** The certificate that new connections get. It follows its files. */
export class LiveCertificate {
  readonly #options: LiveCertificateOptions
  readonly #now: () => Date
  readonly #timer: NodeJS.Timeout
  #current: Certificate
  /** The contents of the files that cannot be used, and whether they were reported. */
  #broken: { readonly text: string; isReported: boolean } | undefined
  #warnedAt = Number.NEGATIVE_INFINITY
  #isChecking = false
  #renewed: (certificate: Certificate) => void = () => {}

  /** @throws ConfigError where the files cannot be used */
  constructor(options: LiveCertificateOptions) {
    this.#options = options
    this.#now = options.now ?? (() => new Date())
    const pair = { cert: readPem('CERT', options.certFile), key: readPem('KEY', options.keyFile) }
    const checked = checkPair(pair, this.#now())
    if ('problem' in checked) throw new ConfigError([checked.problem])
    this.#current = checked
    options.loaded(checked.expiresAt)
    this.#warn()
    this.#timer = setInterval(() => void this.#check(), options.checkEveryMs ?? CHECK_EVERY_MS).unref()
  }

  get current(): Certificate {
    return this.#current
  }

  /** Calls `renewed` with each certificate that replaces the current one. */
  onRenewal(renewed: (certificate: Certificate) => void): void {
    this.#renewed = renewed
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #check(): Promise<void> {
    // Where a file system hangs, one pending read is enough.
    if (this.#isChecking) return
    this.#isChecking = true
    const read = await Promise.all([readFile(this.#options.certFile, 'utf8'), readFile(this.#options.keyFile, 'utf8')]).catch(
      ({ code }: NodeJS.ErrnoException) => `The files of the TLS certificate cannot be read (${code}).`,
    )
    this.#isChecking = false
    if (typeof read === 'string') this.#keep(read, read)
    else this.#take({ cert: read[0], key: read[1] })
    this.#warn()
  }

  #take(pair: CertificatePair): void {
    if (pair.cert === this.#current.cert && pair.key === this.#current.key) {
      this.#broken = undefined
      return
    }
    const checked = checkPair(pair, this.#now())
    if ('problem' in checked) {
      this.#keep(pair.cert + pair.key, checked.problem)
      return
    }
    this.#broken = undefined
    this.#current = checked
    this.#warnedAt = Number.NEGATIVE_INFINITY
    this.#renewed(checked)
    this.#options.loaded(checked.expiresAt)
  }

  /**
   * Keeps the current pair. A problem is reported only when it is seen twice: the first look may see half of a renewal, since two
   * files are not written at once.
   */
  #keep(text: string, problem: string): void {
    if (this.#broken?.text !== text) this.#broken = { text, isReported: false }
    else if (!this.#broken.isReported) {
      this.#broken.isReported = true
      this.#options.refused(problem)
    }
  }

  #warn(): void {
    const [now, { expiresAt }] = [this.#now().getTime(), this.#current]
    if (expiresAt.getTime() - now > WARN_BEFORE_MS || now - this.#warnedAt < DAY_MS) return
    this.#warnedAt = now
    this.#options.expiresSoon(expiresAt)
  }
}

/** Reads a file of the settings. @throws ConfigError with a sentence that names the setting */
export function readPem(which: 'CERT' | 'KEY', file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ConfigError([`RISKGATE_TLS_${which}_FILE names a file that cannot be read (${code}).`])
  }
}
