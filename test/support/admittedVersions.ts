import { readFileSync } from 'node:fs'
import type { AdmissionReport } from '../../src/releases/admission/admissionReport.js'
import type { AdmittedVersion } from '../../src/releases/serving/loadRelease.js'
import { contractSchema, type ModelContract } from '../../src/scoring/contract.js'
import { checkFeatures, type FeatureValues } from '../../src/scoring/features.js'
import { type ModelManifest, manifestSchema } from '../../src/scoring/manifest.js'
import { OnnxModel } from '../../src/scoring/onnx/onnxModel.js'
import { spellingsOf } from '../../src/scoring/spellings.js'
import { goldenRows } from './applicants.js'

const FOLDER = new URL('../../models/consumer-credit/', import.meta.url)

const bundledContract = contractSchema.parse(JSON.parse(readFileSync(new URL('contract.json', FOLDER), 'utf8')))

/** A version of the bundled model with its golden rows, as its admission would report it. */
export async function bundledVersion(version: '1' | '2', cost: AdmissionReport['cost'] = SMALL): Promise<AdmittedVersion> {
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(new URL(`${version}/manifest.json`, FOLDER), 'utf8')))
  const graph = new Uint8Array(readFileSync(new URL(`${version}/model.onnx`, FOLDER)))
  const rows = goldenRows(version).map(({ features }) => {
    const checked = checkFeatures(features, bundledContract)
    if ('problems' in checked) throw new Error('A golden row does not fit the contract.')
    return checked.values
  })
  return admittedVersion({ contract: bundledContract, manifest, graph, rows }, cost)
}

interface Files {
  readonly contract: ModelContract
  readonly manifest: ModelManifest
  readonly graph: Uint8Array<ArrayBuffer>
  readonly rows: readonly FeatureValues[]
}

/** A version with the answers that it gives on the event loop. */
export async function admittedVersion(files: Files, cost: AdmissionReport['cost']): Promise<AdmittedVersion> {
  const { contract, manifest, graph, rows } = files
  const model = await OnnxModel.load(graph, manifest, spellingsOf(contract))
  const answers = await model.run(rows)
  await model.release()
  return { ...files, report: reportOf(manifest, { answers, cost }) }
}

function reportOf({ model, version }: ModelManifest, given: Pick<AdmissionReport, 'answers' | 'cost'>): AdmissionReport {
  return {
    model,
    version,
    content: '0'.repeat(64),
    checkedAt: '2026-11-30T00:00:00.000Z',
    checkedBy: { riskgate: '0', onnxRuntime: '0', platform: 'test' },
    problems: [],
    championProblems: [],
    warnings: [],
    rowByRow: false,
    ...given,
  }
}

const SMALL = { loadMs: 10, rowMs: 0.1, groupMs: 2, groupRows: 256, peakBytes: 2e8 }
export const LARGE = { loadMs: 400, rowMs: 1, groupMs: 60, groupRows: 256, peakBytes: 5e8 }
