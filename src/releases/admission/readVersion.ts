import { join } from 'node:path'
import type { ModelContract } from '../../scoring/contract.js'
import { contractViolations, type ModelManifest, manifestSchema } from '../../scoring/manifest.js'
import { unusedViolations } from '../../scoring/unusedFeatures.js'
import { readJson } from '../files/readFiles.js'
import type { AdmissionReport } from './admissionReport.js'
import { contentDigest } from './contentDigest.js'
import { checkingPrograms } from './programs.js'
import { digestsOf, type FileDigest, type VersionPlace } from './versionFiles.js'

/** A version as its folder holds it, before anything runs its graph. */
export interface VersionOnDisk extends VersionPlace {
  readonly model: string
  readonly version: string
  readonly contract: ModelContract
  /** Undefined where it cannot be read. */
  readonly manifest: ModelManifest | undefined
  readonly files: readonly FileDigest[]
  /** SHA-256 of everything that decides the report. */
  readonly content: string
  readonly checkedBy: AdmissionReport['checkedBy']
  /** What is wrong so far. */
  readonly problems: readonly string[]
}

/**
 * Reads the folder of a version of a model. `madeFor` is the contract that the version was made for, where that is known: it cannot use
 * what the contract has got since.
 */
export async function readVersion(
  directory: string,
  version: string,
  contract: ModelContract,
  madeFor: ModelContract = contract,
): Promise<VersionOnDisk> {
  const model = contract.name
  const name = `${model}/${version}`
  const read = await readJson(join(directory, 'manifest.json'), `${name}/manifest.json`, manifestSchema)
  const manifest = 'value' in read && read.value.version === version ? read.value : undefined
  const files = await digestsOf({ directory, name }, manifest)
  const checkedBy = checkingPrograms()
  const content = contentDigest({ files, contract, checkedBy })
  const found = { directory, name, model, version, contract, manifest, files, content, checkedBy }
  if ('problems' in read) return { ...found, problems: read.problems }
  if (!manifest) return { ...found, problems: [`${name}/manifest.json: version must be "${version}", like its folder.`] }
  const violations = [...contractViolations(manifest, contract), ...unusedViolations(manifest, contract, madeFor)]
  const problems = violations.length > 0 ? [`${name}/manifest.json does not fit the contract: ${violations.join('; ')}.`] : []
  return { ...found, problems }
}
