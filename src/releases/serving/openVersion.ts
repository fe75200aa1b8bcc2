import type { ModelContract } from '../../scoring/contract.js'
import { contractViolations } from '../../scoring/manifest.js'
import { inlineExternalData } from '../../scoring/onnx/externalData.js'
import { parseGoldenRows } from '../admission/goldenRows.js'
import { PARITY_ROWS, parityApplications } from '../admission/parity.js'
import { type CheckNeeds, reportOfStored } from '../intake/recheck.js'
import type { StoredVersion } from '../rollout/versionStore.js'
import type { AdmittedVersion } from './loadRelease.js'

const GOLDEN_ROWS = 'golden.jsonl'
// Room for so many rows of hundreds of features.
const ENOUGH_BYTES = 2 ** 20

/**
 * Reads a version from the store, to be loaded. Where its report is of another contract, of other programs or of an unknown key, it is
 * checked again first.
 * @throws Error with a sentence where it may not serve
 */
export async function openVersion(stored: StoredVersion, contract: ModelContract, needs: CheckNeeds): Promise<AdmittedVersion> {
  const { manifest } = stored
  if (!manifest) throw new Error('its manifest cannot be read')
  const violations = contractViolations(manifest, contract)
  if (violations.length > 0) throw new Error(`it does not fit the contract that serves here: ${violations.join('; ')}`)
  const { report } = await reportOfStored({ ...stored, manifest }, contract, needs)
  const [problem] = report.problems
  if (problem !== undefined) throw new Error(problem)
  const { onnx } = manifest
  const external = new Map<string, Uint8Array>()
  for (const { file, sha256 } of onnx.external ?? []) external.set(file, await needs.store.readFile(sha256))
  const graph = inlineExternalData(await needs.store.readFile(onnx.sha256), external)
  return { contract, manifest, graph: new Uint8Array(graph), report, rows: await parityRows(stored, contract, needs) }
}

async function parityRows(
  { files, model, version }: StoredVersion,
  contract: ModelContract,
  { store }: Pick<CheckNeeds, 'store'>,
) {
  const file = files.find(({ name }) => name === GOLDEN_ROWS)
  const bytes = file ? await store.readFile(file.sha256) : new Uint8Array()
  const lines = firstLines(bytes).filter(line => line.trim() !== '')
  const golden = parseGoldenRows(lines.slice(0, PARITY_ROWS).join('\n'), `${model}/${version}/${GOLDEN_ROWS}`, contract)
  return parityApplications(contract, 'rows' in golden ? golden.rows : [])
}

/** The whole lines at the beginning of a file that may be large: to split all of it would hold up the event loop. */
function firstLines(bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes.subarray(0, ENOUGH_BYTES)).split('\n')
  return bytes.length > ENOUGH_BYTES ? lines.slice(0, -1) : lines
}
