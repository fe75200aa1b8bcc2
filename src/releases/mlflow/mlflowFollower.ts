import type { VersionOrigin } from '../rollout/versionStore.js'
import { type Followed, FollowedModel, type FollowNeeds } from './followedModel.js'
import { MlflowError, type MlflowProblem } from './mlflowError.js'
import { PollLoop } from './pollLoop.js'
import { shortened } from './versionTags.js'

/** Why the version that an alias names does not serve. */
export type FollowProblem =
  | MlflowProblem
  /** The version is not one that may serve. */
  | 'REJECTED'
  /** It could not be taken, for a reason that lies here: the database, the disk. */
  | 'NOT_TAKEN'
  /** MLflow takes no tags. */
  | 'TAGS_REFUSED'

export const FOLLOW_PROBLEMS: readonly FollowProblem[] = [
  'UNREACHABLE',
  'REFUSED',
  'NOT_FOUND',
  'NOT_READY',
  'BAD_ANSWER',
  'UNSUPPORTED',
  'TOO_LARGE',
  'REJECTED',
  'NOT_TAKEN',
  'TAGS_REFUSED',
]

/** With these, MLflow itself cannot be asked. */
const AWAY: readonly (FollowProblem | undefined)[] = ['UNREACHABLE', 'REFUSED', 'BAD_ANSWER']

export interface Trouble {
  readonly model: string
  readonly code: FollowProblem
  /** A sentence with what to do; undefined for an error that nobody expected. */
  readonly reason: string | undefined
  readonly error: unknown
}

export interface FollowReports {
  /** Once for each failure. */
  readonly failed: (code: FollowProblem) => void
  /** Once when a trouble begins or becomes another one. */
  readonly trouble: (trouble: Trouble) => void
  readonly recovered: (model: string) => void
  readonly taken: (name: string, followed: Followed) => void
}

/** A version that is champion of its model here. */
export interface Champion {
  readonly model: string
  readonly version: string
  readonly origin: VersionOrigin
}

interface Following {
  readonly model: FollowedModel
  readonly loop: PollLoop
}

export interface FollowerOptions extends FollowNeeds {
  readonly models: readonly { readonly name: string; readonly alias: string }[]
  readonly pollMs: number
  readonly reports: FollowReports
}

/** Follows the aliases of registered models: each is asked for again and again, and at once when somebody says that it moved. */
export class MlflowFollower {
  readonly #following: readonly Following[]
  readonly #reports: FollowReports
  readonly #troubles = new Map<string, Trouble>()
  readonly #tagTroubles = new Set<string>()
  /** By the model's name here. */
  readonly #champions = new Map<string, Champion>()
  /** What MLflow was told to serve, by registered model. */
  readonly #toldServing = new Map<string, string | null>()

  constructor({ models, pollMs, reports, ...needs }: FollowerOptions) {
    this.#reports = reports
    this.#following = models.map(followed => {
      const model = new FollowedModel(followed, needs)
      return { model, loop: new PollLoop(end => this.#poll(model, end), pollMs) }
    })
  }

  /** Ends when each alias has been asked for once, whatever came of it. */
  async start(): Promise<void> {
    await Promise.all(this.#following.map(({ loop }) => loop.start()))
  }

  /** Asks soon for the alias of this registered model, or for all; ends when it has asked. */
  async poke(name?: string): Promise<void> {
    const meant = this.#following.filter(({ model }) => name === undefined || name === model.name)
    await Promise.all(meant.map(({ loop }) => loop.poke()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.#following.map(({ loop }) => loop.stop()))
  }

  /** The champion of a model is this version: MLflow is told, where it has it. */
  served({ model, version, origin }: Champion): void {
    if (this.#champions.get(model)?.version === version) return
    this.#champions.set(model, { model, version, origin })
    void this.poke()
  }

  /** Whether MLflow answers as it should. */
  get isUp(): boolean {
    return ![...this.#troubles.values()].some(({ code }) => AWAY.includes(code))
  }

  /** By registered model: whether the version that its alias names was taken. */
  get inStep(): Readonly<Record<string, boolean>> {
    const names = this.#following.map(({ model }) => model)
    return Object.fromEntries(names.map(({ name, followed }) => [name, followed !== undefined && !this.#troubles.has(name)]))
  }

  async #poll(model: FollowedModel, end: AbortSignal): Promise<void> {
    const before = model.followed
    const trouble = await this.#troubleOf(model, end)
    if (end.aborted) return
    this.#tell(model, trouble)
    const { followed } = model
    if (followed && followed !== before && followed.problems.length === 0) this.#reports.taken(model.name, followed)
    this.#tagChampion(model)
    if (trouble?.code !== 'UNREACHABLE') await this.#writeTags(model, end)
  }

  #tagChampion(model: FollowedModel): void {
    const serving = this.#servingOf(model)
    if (serving === undefined || serving === this.#toldServing.get(model.name)) return
    this.#toldServing.set(model.name, serving)
    model.tags.serves(serving)
  }

  /** The version of a registered model that is champion; null where another one is, undefined where that is not known. */
  #servingOf({ name, followed }: FollowedModel): string | null | undefined {
    for (const { model, version, origin } of this.#champions.values()) {
      if (origin.source === 'mlflow' && origin.name === name) return origin.version
      // The models folder may have brought the same version first.
      if (followed?.model === model) return followed.version === version ? followed.registered : null
    }
    return undefined
  }

  async #troubleOf(model: FollowedModel, end: AbortSignal): Promise<Trouble | undefined> {
    const { name } = model
    try {
      const problems = await model.ask(end)
      if (problems.length === 0) return undefined
      return { model: name, code: 'REJECTED', reason: shortened(problems), error: undefined }
    } catch (error) {
      if (error instanceof MlflowError) return { model: name, code: error.code, reason: error.message, error }
      return { model: name, code: 'NOT_TAKEN', reason: undefined, error }
    }
  }

  #tell({ name }: FollowedModel, trouble: Trouble | undefined): void {
    const before = this.#troubles.get(name)
    if (!trouble) {
      this.#troubles.delete(name)
      if (before) this.#reports.recovered(name)
      return
    }
    this.#troubles.set(name, trouble)
    const isNews = before?.code !== trouble.code || (before.reason !== trouble.reason && trouble.code !== 'UNREACHABLE')
    // A rejected version is one failure, however often its alias is asked for.
    if (isNews || trouble.code !== 'REJECTED') this.#reports.failed(trouble.code)
    if (isNews) this.#reports.trouble(trouble)
  }

  /** Tags help people who look into MLflow: what serves does not depend on them. */
  async #writeTags({ name, tags }: FollowedModel, end: AbortSignal): Promise<void> {
    try {
      await tags.write()
      this.#tagTroubles.delete(name)
    } catch (error) {
      if (end.aborted) return
      this.#reports.failed('TAGS_REFUSED')
      if (this.#tagTroubles.has(name)) return
      this.#tagTroubles.add(name)
      const reason = error instanceof MlflowError ? error.message : undefined
      this.#reports.trouble({ model: name, code: 'TAGS_REFUSED', reason, error })
    }
  }
}
