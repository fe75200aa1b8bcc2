import { createHash } from 'node:crypto'
import type { ModelContract } from '../../scoring/contract.js'
import type { ModelManifest } from '../../scoring/manifest.js'
import type { AdmissionReport } from './admissionReport.js'
import { canonicalJson } from './canonicalJson.js'
import type { FileDigest } from './versionFiles.js'

/** What a report is about: the files of a version, its contract, and the programs that check it. */
interface CheckedContent {
  readonly files: readonly FileDigest[]
  readonly contract: ModelContract
  readonly checkedBy: AdmissionReport['checkedBy']
}

/** SHA-256 of everything that decides a report. A report of the same content need not be made again. */
export function contentDigest({ files, contract, checkedBy }: CheckedContent): string {
  const sorted = [...files].sort((a, b) => (a.name < b.name ? -1 : 1))
  return sha256(canonicalJson({ files: sorted.map(({ name, sha256 }) => [name, sha256]), contract, checkedBy }))
}

/** SHA-256 of what decides the answers of a version: its graph, how it is fed and read, and its bands. */
export function versionIdentity({ onnx, bands }: Pick<ModelManifest, 'onnx' | 'bands'>): string {
  const { file: _, ...decisive } = onnx
  return sha256(canonicalJson({ onnx: decisive, bands }))
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
