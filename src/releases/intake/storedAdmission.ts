import type { Actor } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import type { ModelContract } from '../../scoring/contract.js'
import type { AdmissionReport } from '../admission/admissionReport.js'
import type { AdmitAgain } from '../rollout/admitAgain.js'
import type { StoredVersion } from '../rollout/versionStore.js'
import { type CheckNeeds, recheck } from './recheck.js'

export interface StoredAdmissionNeeds extends CheckNeeds {
  /** Those of the API, by the name of their model. */
  readonly contracts: ReadonlyMap<string, ModelContract>
  /** Records who had a version checked, before the answer. */
  readonly audit: (actor: Actor, report: AdmissionReport) => Promise<void>
}

/** Checks versions of the store again, as after a limit of the checks has been raised. */
export class StoredAdmission implements AdmitAgain {
  readonly #needs: StoredAdmissionNeeds

  constructor(needs: StoredAdmissionNeeds) {
    this.#needs = needs
  }

  async run(actor: Actor, model: string, version: string): Promise<StoredVersion> {
    const { store, contracts, audit } = this.#needs
    const stored = (await store.state()).versions.find(candidate => candidate.model === model && candidate.version === version)
    if (!stored) throw new AppError('NOT_FOUND', 'The version store has no such version. The model lists its versions.')
    const contract = contracts.get(model) ?? stored.contract
    const { manifest } = stored
    const signed = contract && manifest ? await recheck({ ...stored, manifest }, contract, this.#needs) : stored
    await audit(actor, signed.report)
    return { ...stored, report: signed.report, signature: signed.signature }
  }
}
