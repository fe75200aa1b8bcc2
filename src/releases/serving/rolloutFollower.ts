import type { ModelContract } from '../../scoring/contract.js'
import type { InstalledVersion, ModelStage, Release } from '../../scoring/release.js'
import type { Rollout } from '../rollout/rollout.js'
import type { ReleaseState, StoredVersion, VersionStore } from '../rollout/versionStore.js'
import type { ServingVersions } from './swap.js'

// A version that could not be loaded may be one whose files could not be read just then.
const RETRY_MS = 5_000

type Purpose = 'answers' | 'shadow'

export interface FollowNeeds {
  readonly store: Pick<VersionStore, 'revision' | 'state'>
  readonly serving: Pick<ServingVersions, 'apply'>
  /** Those of the API: other models serve after a restart. */
  readonly contracts: readonly ModelContract[]
  readonly load: (version: StoredVersion, contract: ModelContract, purpose: Purpose) => Promise<Release>
  /** What this gateway has found out about versions beside their reports, as about a folder that cannot be read. */
  readonly findings: ReadonlyMap<string, readonly InstalledVersion[]>
  /** Told of the champion of each model that serves here, also where it is the same as before. */
  readonly champion: (version: StoredVersion) => void
  readonly warn: (message: string, fields: Record<string, unknown>) => void
}

/** Brings what this gateway serves in step with the rollouts, which are the same for all gateways. */
export class RolloutFollower {
  readonly #needs: FollowNeeds
  #seen: string | undefined
  #retryAt = Number.POSITIVE_INFINITY
  /** The problems of each model that were told last. */
  readonly #told = new Map<string, string>()

  constructor(needs: FollowNeeds) {
    this.#needs = needs
  }

  /** Follows where a version or a rollout has changed. One number is read otherwise. */
  async follow(): Promise<void> {
    const revision = await this.#needs.store.revision()
    if (revision !== this.#seen || performance.now() >= this.#retryAt) await this.followNow()
  }

  async followNow(): Promise<void> {
    const state = await this.#needs.store.state()
    const problems = await Promise.all(this.#needs.contracts.map(contract => this.#apply(contract, state)))
    this.#seen = state.revision
    this.#retryAt = problems.some(of => of.length > 0) ? performance.now() + RETRY_MS : Number.POSITIVE_INFINITY
  }

  async #apply(contract: ModelContract, { versions, rollouts }: ReleaseState): Promise<readonly string[]> {
    const { name } = contract
    const stored = versions.filter(({ model }) => model === name)
    const rollout = rollouts.find(({ model }) => model === name)
    const found = this.#needs.findings.get(name) ?? []
    const isStored = ({ version }: InstalledVersion) => stored.some(other => other.version === version)
    const installed = [
      ...stored.map(version => installedVersion(version, rollout, found)),
      ...found.filter(version => !isStored(version)),
    ]
    const { champion, challenger, shadow } = rollout ?? { champion: undefined, challenger: undefined, shadow: undefined }
    const problems = await this.#needs.serving.apply(
      name,
      { champion, challenger, shadow, versions: installed },
      (wanted, purpose) => {
        const version = stored.find(candidate => candidate.version === wanted)
        if (!version) throw new Error('the version store does not have it')
        return this.#needs.load(version, contract, purpose)
      },
    )
    this.#tell(name, problems)
    const served = problems.length === 0 && stored.find(({ version }) => version === champion)
    if (served) this.#needs.champion(served)
    return problems
  }

  #tell(model: string, problems: readonly string[]): void {
    const text = problems.join('\n')
    if (text === (this.#told.get(model) ?? '')) return
    this.#told.set(model, text)
    for (const problem of problems) this.#needs.warn('a version that should serve does not', { model, problem })
  }
}

function installedVersion(
  stored: StoredVersion,
  rollout: Rollout | undefined,
  found: readonly InstalledVersion[],
): InstalledVersion {
  const { model, version, manifest, report } = stored
  const { problems, championProblems, warnings } = report
  // A REJECTED version tells its problems already.
  const here = problems.length > 0 ? [] : (found.find(other => other.version === version)?.problems ?? [])
  return {
    model,
    version,
    manifest,
    problems,
    warnings: [...championProblems, ...warnings, ...here],
    stage: ownStage(stored, rollout),
  }
}

/** The stage of a version that does not serve. */
function ownStage({ version, report }: StoredVersion, rollout: Rollout | undefined): ModelStage {
  if (report.problems.length > 0) return 'REJECTED'
  return rollout?.retired.includes(version) ? 'RETIRED' : 'CANDIDATE'
}
