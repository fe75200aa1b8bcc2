import type { ModelContract } from '../../scoring/contract.js'
import { contractViolations } from '../../scoring/manifest.js'
import { inlineExternalData } from '../../scoring/onnx/externalData.js'
import type { VersionToCheck } from '../admission/admission.js'
import { contentDigest } from '../admission/contentDigest.js'
import { parseGoldenRows } from '../admission/goldenRows.js'
import { PARITY_ROWS, parityApplications } from '../admission/parity.js'
import { checkingPrograms } from '../admission/programs.js'
import { inFolder } from '../intake/storedFolder.js'
import type { VersionChecks } from '../intake/versionChecks.js'
import type { StoredVersion, VersionStore } from '../rollout/versionStore.js'
import type { AdmittedVersion } from './loadRelease.js'

const GOLDEN_ROWS = 'golden.jsonl'

export interface OpenNeeds {
  readonly store: VersionStore
  readonly checks: VersionChecks
}

/**
 * Reads a version from the store, to be loaded. Where its report is of another contract, of other programs or of an unknown key, it is
 * checked again first.
 * @throws Error with a sentence where it may not serve
 */
export async function openVersion(stored: StoredVersion, contract: ModelContract, needs: OpenNeeds): Promise<AdmittedVersion> {
  const { manifest } = stored
  if (!manifest) throw new Error('its manifest cannot be read')
  const violations = contractViolations(manifest, contract)
  if (violations.length > 0) throw new Error(`it does not fit the contract that serves here: ${violations.join('; ')}`)
  const report = await reportOf({ ...stored, manifest }, contract, needs)
  const [problem] = report.problems
  if (problem !== undefined) throw new Error(problem)
  const { onnx } = manifest
  const external = new Map<string, Uint8Array>()
  for (const { file, sha256 } of onnx.external ?? []) external.set(file, await needs.store.readFile(sha256))
  const graph = inlineExternalData(await needs.store.readFile(onnx.sha256), external)
  return { contract, manifest, graph: new Uint8Array(graph), report, rows: await parityRows(stored, contract, needs) }
}

async function reportOf(
  stored: StoredVersion & Pick<VersionToCheck, 'manifest'>,
  contract: ModelContract,
  { store, checks }: OpenNeeds,
) {
  const { model, version, manifest } = stored
  const checkedBy = checkingPrograms()
  const files = stored.files.filter(({ name }) => decides(name))
  const content = contentDigest({ files, contract, checkedBy })
  const known = checks.known({ content }, stored)
  if (known) return known.report
  const read = { model, version, manifest, name: `${model}/${version}`, contract, files, content, checkedBy, problems: [] }
  const signed = await inFolder(store, stored, directory => checks.check({ ...read, directory }, undefined))
  // So that the next gateway need not do it. What fails here may do elsewhere.
  if (signed.report.problems.length === 0) await store.put({ ...stored, ...signed, read: ({ sha256 }) => store.readFile(sha256) })
  return signed.report
}

/** Other files of a version are for people. */
function decides(name: string): boolean {
  return name !== 'contract.json' && name !== 'MODEL_CARD.md'
}

async function parityRows({ files, model, version }: StoredVersion, contract: ModelContract, { store }: OpenNeeds) {
  const file = files.find(({ name }) => name === GOLDEN_ROWS)
  const text = file ? new TextDecoder().decode(await store.readFile(file.sha256)) : ''
  const lines = text.split('\n').filter(line => line.trim() !== '')
  const golden = parseGoldenRows(lines.slice(0, PARITY_ROWS).join('\n'), `${model}/${version}/${GOLDEN_ROWS}`, contract)
  return parityApplications(contract, 'rows' in golden ? golden.rows : [])
}
