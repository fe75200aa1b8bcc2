import type { RegistryVersion } from './answers.js'
import type { MlflowClient } from './mlflowClient.js'
import { MlflowError } from './mlflowError.js'

const STATUS = 'riskgate.status'
const REASON = 'riskgate.reason'
const CHECKED_AT = 'riskgate.checked_at'

// MLflow takes 5,000 characters; a person reads a few sentences.
const MOST_REASON = 500

/** What riskgate says about a version of a registered model, by its tags. */
export type VersionStatus = 'validated' | 'serving' | 'rejected'

interface Said {
  readonly status: VersionStatus
  readonly reason: string
}

/**
 * Writes the status of versions into their tags, where it differs from what they say. What could not be written because MLflow does
 * not answer is written at the next call.
 */
export class VersionTags {
  readonly #client: MlflowClient
  readonly #model: string
  readonly #checked = new Map<string, Said>()
  /** Undefined: nothing is known of what serves. Null: no version of this registered model. */
  #serving: string | null | undefined

  constructor(client: MlflowClient, model: string) {
    this.#client = client
    this.#model = model
  }

  /** A version was checked. The problems say why it is rejected. */
  checked(version: string, problems: readonly string[]): void {
    this.#checked.set(version, { status: problems.length > 0 ? 'rejected' : 'validated', reason: shortened(problems) })
  }

  /** This version is champion, and no other of the registered model; null: none. */
  serves(version: string | null): void {
    this.#serving = version
  }

  /** @throws MlflowError where MLflow does not answer, or takes no tags: the rest is then given up */
  async write(): Promise<void> {
    try {
      for (const [version, said] of this.#checked) {
        const uri = { name: this.#model, version }
        await this.#say(await this.#client.version(uri), said)
        this.#checked.delete(version)
      }
      if (this.#serving !== undefined) await this.#writeServing(this.#serving)
      this.#serving = undefined
    } catch (error) {
      if (error instanceof MlflowError && error.code === 'UNREACHABLE') throw error
      this.#checked.clear()
      this.#serving = undefined
      throw error
    }
  }

  async #writeServing(serving: string | null): Promise<void> {
    for (const version of await this.#client.versions(this.#model)) {
      if (version.version === serving) await this.#set(version, { status: 'serving', reason: '' })
      else if (version.tags.get(STATUS) === 'serving') await this.#set(version, { status: 'validated', reason: '' })
    }
  }

  async #say(version: RegistryVersion, said: Said): Promise<void> {
    // It stays what it is when another gateway, or this one after a restart, checks it again.
    const isServing = version.tags.get(STATUS) === 'serving' && said.status === 'validated'
    if (!isServing) await this.#set(version, said)
  }

  async #set(version: RegistryVersion, { status, reason }: Said): Promise<void> {
    const { tags } = version
    if (tags.get(STATUS) === status && (tags.get(REASON) ?? '') === reason) return
    if ((tags.get(REASON) ?? '') !== reason) await this.#client.setTag(version, REASON, reason)
    await this.#client.setTag(version, CHECKED_AT, new Date().toISOString())
    // Last: it says that the others are there.
    await this.#client.setTag(version, STATUS, status)
  }
}

/** Problems on one line that is not too long for a tag or a log. */
export function shortened(problems: readonly string[]): string {
  const reason = problems
    .join(' ')
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, ' ')
    .trim()
  return reason.length > MOST_REASON ? `${reason.slice(0, MOST_REASON - 1)}…` : reason
}
