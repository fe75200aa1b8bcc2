import type { RegistryVersion } from './answers.js'
import type { ArtifactCache, CachedVersion } from './artifactCache.js'
import type { FolderLimits } from './downloadFolder.js'
import { askVersion, fetchRegistered, lastFetched, nameInCache } from './fetchVersion.js'
import { followedBundle } from './followedBundle.js'
import type { MlflowClient } from './mlflowClient.js'
import { MlflowError } from './mlflowError.js'
import type { ModelUri } from './modelUri.js'
import type { VersionSink } from './versionSink.js'
import { VersionTags } from './versionTags.js'

/** So many versions of a model stay in the cache. */
const KEPT_VERSIONS = 10

export interface FollowNeeds {
  readonly client: MlflowClient
  readonly cache: ArtifactCache
  readonly limits: FolderLimits
  readonly intake: VersionSink
}

/** What became of the version that the alias named last. */
export interface Followed {
  /** Tells one registration from another. */
  readonly key: string
  readonly registered: string
  /** Undefined where its files are no bundle. */
  readonly model: string | undefined
  readonly version: string | undefined
  /** Why it is rejected; none where it was taken. */
  readonly problems: readonly string[]
  readonly waitsForRestart: boolean
}

/** The version that the alias of a registered model names: asked for, fetched, handed over. */
export class FollowedModel {
  readonly #uri: ModelUri
  readonly #needs: FollowNeeds
  readonly tags: VersionTags
  #followed: Followed | undefined
  #saidKey: string | undefined

  constructor({ name, alias }: { readonly name: string; readonly alias: string }, needs: FollowNeeds) {
    this.#uri = { name, alias }
    this.#needs = needs
    this.tags = new VersionTags(needs.client, name)
  }

  get name(): string {
    return this.#uri.name
  }

  get followed(): Followed | undefined {
    return this.#followed
  }

  /**
   * Asks for the alias, and takes the version that it names now unless that has been done. While MLflow does not answer, it takes the
   * version that the alias named when it last did. Returns why the version may not serve; none where all is well.
   * @throws MlflowError where MLflow refuses or does not answer; whatever the intake throws
   */
  async ask(end: AbortSignal): Promise<readonly string[]> {
    const askedAt = new Date()
    const found = await this.#askOrTakeLast(end)
    const key = keyOf(found)
    if (this.#followed?.key !== key) await this.#take(await this.#fetch(found), end)
    const { model, version, registered, problems, waitsForRestart } = this.#followed as Followed
    if (problems.length > 0 || model === undefined || version === undefined) return problems
    if (waitsForRestart || this.#saidKey === key) return []
    const refused = await this.#needs.intake.said(model, version, askedAt)
    if (refused === undefined) return []
    if (refused.length === 0) this.#saidKey = key
    // It may be allowed later, when the version has been checked again.
    this.tags.checked(registered, refused)
    return refused
  }

  async #askOrTakeLast(end: AbortSignal): Promise<RegistryVersion> {
    const { client, cache } = this.#needs
    try {
      return await askVersion(client, this.#uri)
    } catch (error) {
      const isAway = error instanceof MlflowError && error.code === 'UNREACHABLE' && !end.aborted
      const last = isAway && !this.#followed ? await lastFetched(client, this.#uri, cache) : undefined
      if (last) await this.#take(last, end)
      throw error
    }
  }

  async #fetch(found: RegistryVersion): Promise<CachedVersion | Followed> {
    const { client, cache, limits } = this.#needs
    try {
      return await fetchRegistered(client, this.#uri, found, cache, limits)
    } catch (error) {
      return rejectedBy(error, found)
    }
  }

  async #take(fetched: CachedVersion | Followed, end: AbortSignal): Promise<void> {
    const followed = 'key' in fetched ? fetched : await this.#handOver(fetched)
    // Its folder is removed either way, and the next poll comes after the next start.
    end.throwIfAborted()
    this.tags.checked(followed.registered, followed.problems)
    this.#followed = followed
    const { client, cache } = this.#needs
    await cache.removeUnused(KEPT_VERSIONS, [nameInCache(client, this.#uri)])
  }

  async #handOver(fetched: CachedVersion): Promise<Followed> {
    const { cache, intake } = this.#needs
    return cache.withFolder(async work => {
      try {
        const { accept, ...folder } = await followedBundle(fetched, cache, work)
        const { name, version, runId } = fetched
        const taken = await intake.take(folder, { source: 'mlflow', name, version, runId })
        if (taken.problems.length === 0) await accept()
        return { key: keyOf(fetched), registered: version, model: folder.model, version: folder.version, ...taken }
      } catch (error) {
        return rejectedBy(error, fetched)
      }
    })
  }
}

/** What makes no sense to try again is a version that is rejected; anything else is thrown. */
function rejectedBy(error: unknown, version: RegistryVersion | CachedVersion): Followed {
  if (!(error instanceof MlflowError) || !['UNSUPPORTED', 'TOO_LARGE'].includes(error.code)) throw error
  const { message } = error
  const rejected = { model: undefined, version: undefined, problems: [message], waitsForRestart: false }
  return { key: keyOf(version), registered: version.version, ...rejected }
}

/** A version that was registered anew under its number has another source or another time. */
function keyOf({ version, source, createdAtMs }: Pick<CachedVersion, 'version' | 'source' | 'createdAtMs'>): string {
  return JSON.stringify([version, source, createdAtMs])
}
