import { isDeepStrictEqual } from 'node:util'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import type { InstalledVersion, Release } from '../../scoring/release.js'
import type { Rollout, Share } from '../rollout/rollout.js'
import {
  answeringReleases,
  type ModelEntry,
  type ModelRegistry,
  type ShadowRelease,
  type SharedRelease,
} from './modelRegistry.js'
import { stagesOf } from './stages.js'

/** Which versions of a model should serve from now on. */
export interface WantedVersions extends Pick<Rollout, 'champion' | 'challenger' | 'shadow'> {
  /** All versions of the model. Their stages are set here for those that serve. */
  readonly versions: readonly InstalledVersion[]
}

/** Loads a version that may serve. A shadow must be loaded into a worker of its own. @throws Error with the reason */
export type LoadVersion = (version: string, purpose: 'answers' | 'shadow') => Promise<Release>

export interface SwapWatch {
  /** Called with each entry that a model serves by from now on. */
  readonly switched: (entry: ModelEntry) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

interface Wish {
  readonly wanted: WantedVersions
  readonly load: LoadVersion
}

/** Brings the releases of each model to what is wanted of it, while callers are answered. */
export class ServingVersions {
  readonly #registry: ModelRegistry
  readonly #watch: SwapWatch
  /** The last wish for each model that no work has begun for. */
  readonly #wishes = new Map<string, Wish>()
  /** The work on each model, which ends when no wish is left. */
  readonly #working = new Map<string, Promise<readonly string[]>>()
  readonly #retiring = new Set<Promise<void>>()
  #isClosed = false

  constructor(registry: ModelRegistry, watch: SwapWatch) {
    this.#registry = registry
    this.#watch = watch
  }

  /**
   * Loads what is missing, switches by one change of reference, and retires what is not used any more. Where wishes for one model
   * come while another is worked on, only the last of them counts.
   * @returns the reasons why a wanted version does not serve, of the last wish; the champion before it goes on then
   */
  apply(model: string, wanted: WantedVersions, load: LoadVersion): Promise<readonly string[]> {
    this.#wishes.set(model, { wanted, load })
    const working = this.#working.get(model) ?? this.#work(model).finally(() => this.#working.delete(model))
    this.#working.set(model, working)
    return working
  }

  /** Retires every release, after the work in hand. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#wishes.clear()
    await Promise.allSettled(this.#working.values())
    for (const entry of this.#registry.models) for (const release of releasesOf(entry)) this.#retire(release)
    await Promise.all(this.#retiring)
  }

  async #work(model: string): Promise<readonly string[]> {
    let problems: readonly string[] = []
    for (let wish = this.#take(model); wish; wish = this.#take(model)) problems = await this.#fulfil(model, wish)
    return problems
  }

  #take(model: string): Wish | undefined {
    const wish = this.#wishes.get(model)
    this.#wishes.delete(model)
    return wish
  }

  async #fulfil(model: string, { wanted, load }: Wish): Promise<readonly string[]> {
    const before = this.#registry.model(model)
    if (!before) return [`${model} is new: it serves after a restart.`]
    const loading = new Loading(before, wanted.versions, load)
    const champion = (await loading.answering(wanted.champion)) ?? (wanted.champion === undefined ? undefined : before.champion)
    const challenger = champion && (await loading.shared(wanted.challenger, champion))
    const shadows = await loading.shadows(wanted.shadow, champion, challenger)
    const { problems } = loading
    if (this.#isClosed) {
      for (const release of loading.loaded) this.#retire(release)
      return ['The gateway stops.']
    }
    const serving = { contract: before.contract, champion, challenger, shadows, problems }
    const entry = { ...serving, versions: stagesOf(wanted.versions, serving) }
    this.#registry.replace(entry)
    this.#watch.switched(entry)
    const used = new Set(releasesOf(entry))
    for (const release of [...releasesOf(before), ...loading.loaded]) if (!used.has(release)) this.#retire(release)
    return problems
  }

  /** Nobody waits for it: rows in hand are answered first. */
  #retire(release: Release): void {
    const { model, version } = release.manifest
    const retiring: Promise<void> = release
      .retire()
      .catch(error => this.#watch.warn('a replaced version was not freed', { model, version, error: error.name }))
      .finally(() => this.#retiring.delete(retiring))
    this.#retiring.add(retiring)
  }
}

/** Finds the releases of one wish: those that are loaded already, or new ones. */
class Loading {
  readonly problems: string[] = []
  readonly loaded: Release[] = []
  readonly #before: ModelEntry
  readonly #versions: readonly InstalledVersion[]
  readonly #load: LoadVersion

  constructor(before: ModelEntry, versions: readonly InstalledVersion[], load: LoadVersion) {
    this.#before = before
    this.#versions = versions
    this.#load = load
  }

  async answering(version: string | undefined): Promise<Release | undefined> {
    return version === undefined ? undefined : this.#find(version, 'answers', answeringReleases(this.#before))
  }

  async shared(wanted: Share | undefined, champion: Release): Promise<SharedRelease | undefined> {
    if (!wanted || wanted.version === champion.manifest.version) return undefined
    const release = await this.answering(wanted.version)
    return release && { release, share: wanted.share }
  }

  /** The wanted shadow; and beside a challenger each of the two for the applications of the other, so that they can be compared. */
  async shadows(
    wanted: Share | undefined,
    champion: Release | undefined,
    challenger: SharedRelease | undefined,
  ): Promise<ShadowRelease[]> {
    const shadows: ShadowRelease[] = []
    const add = async ({ version, share }: Share, beside?: string) => {
      const known = [...shadows, ...(this.#before.shadows ?? [])].map(({ release }) => release)
      const release = await this.#find(version, 'shadow', known)
      if (release) shadows.push({ release, share, beside })
    }
    const first = champion?.manifest.version
    const second = challenger?.release.manifest.version
    if (first !== undefined && second !== undefined) {
      await add({ version: first, share: 1 }, second)
      await add({ version: second, share: 1 }, first)
    }
    // One that answers callers needs no shadow.
    if (wanted && wanted.version !== first && wanted.version !== second) await add(wanted)
    return shadows
  }

  async #find(version: string, purpose: 'answers' | 'shadow', known: readonly Release[]): Promise<Release | undefined> {
    const installed = this.#versions.find(candidate => candidate.version === version)?.manifest
    // A version that has made no prediction may come anew, with other files.
    const isSame = ({ manifest }: Release) => manifest.version === version && isDeepStrictEqual(manifest, installed ?? manifest)
    const loaded = known.find(isSame)
    if (loaded) return loaded
    try {
      const release = await this.#load(version, purpose)
      this.loaded.push(release)
      return release
    } catch (error) {
      this.problems.push(`${this.#before.contract.name}/${version} cannot be loaded: ${saidBy(error)}.`)
      return undefined
    }
  }
}

function releasesOf(entry: ModelEntry): Release[] {
  return [...answeringReleases(entry), ...(entry.shadows ?? []).map(({ release }) => release)]
}
