import type { ModelContract } from '../../scoring/contract.js'
import { contractViolations, type ModelManifest } from '../../scoring/manifest.js'
import { contentDigest, versionIdentity } from '../admission/contentDigest.js'
import { checkingPrograms } from '../admission/programs.js'
import type { StoredVersion, VersionStore } from '../rollout/versionStore.js'
import { inFolder } from './storedFolder.js'
import type { SignedReport, VersionChecks } from './versionChecks.js'
import { isWorse } from './versionIntake.js'

export interface CheckNeeds {
  readonly store: VersionStore
  readonly checks: VersionChecks
}

type Readable = StoredVersion & { readonly manifest: ModelManifest }

/** The report of a stored version under the contract that serves here. It is checked again where there is none to believe. */
export async function reportOfStored(stored: Readable, contract: ModelContract, needs: CheckNeeds): Promise<SignedReport> {
  return needs.checks.known(contentOf(stored, contract), stored) ?? recheck(stored, contract, needs)
}

/** Checks a stored version again, and stores its report, so that no other gateway need do it. */
export async function recheck(stored: Readable, contract: ModelContract, { store, checks }: CheckNeeds): Promise<SignedReport> {
  const { model, version, manifest } = stored
  const name = `${model}/${version}`
  const violations = contractViolations(manifest, contract)
  const problems = violations.length > 0 ? [`${name}/manifest.json does not fit the contract: ${violations.join('; ')}.`] : []
  const read = { model, version, manifest, name, contract, ...contentOf(stored, contract), problems }
  const signed = await inFolder(store, stored, directory => checks.check({ ...read, directory }, undefined))
  // Checks that fail here, and did not elsewhere, must not take away what serves.
  if (!isWorse(signed.report, stored.report))
    await store.put({ ...stored, ...signed, identity: versionIdentity(manifest), read: ({ sha256 }) => store.readFile(sha256) })
  return signed
}

function contentOf(stored: StoredVersion, contract: ModelContract) {
  const checkedBy = checkingPrograms()
  const files = stored.files.filter(({ name }) => isChecked(name))
  return { files, checkedBy, content: contentDigest({ files, contract, checkedBy }) }
}

/** The contract is part of the content by itself, and a model card is for people. */
function isChecked(name: string): boolean {
  return name !== 'contract.json' && name !== 'MODEL_CARD.md'
}
