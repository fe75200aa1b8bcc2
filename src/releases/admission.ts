import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModelContract, spellingsOf } from '../scoring/contract.js'
import { contractViolations, type ModelManifest } from '../scoring/manifest.js'
import { OnnxModel } from '../scoring/onnx/onnxModel.js'

/** The loaded graph of a version that may serve, or the reason why it may not, in a sentence that names the file. */
export type Admitted = { readonly model: OnnxModel } | { readonly problem: string }

/** Checks a version against its contract and its digest, and loads its graph. */
export async function admit(directory: string, contract: ModelContract, manifest: ModelManifest): Promise<Admitted> {
  const file = join(directory, manifest.onnx.file)
  const violations = contractViolations(manifest, contract)
  if (violations.length > 0)
    return { problem: `${join(directory, 'manifest.json')} does not fit the contract: ${violations.join('; ')}.` }
  const bytes = await readFile(file).catch(() => undefined)
  if (!bytes) return { problem: `${file} is missing or cannot be read.` }
  const digest = createHash('sha256').update(bytes).digest('hex')
  if (digest !== manifest.onnx.sha256)
    return { problem: `${file} does not have the SHA-256 of its manifest. Copy the version again, or correct its manifest.` }
  try {
    return { model: await OnnxModel.load(bytes, manifest, spellingsOf(contract)) }
  } catch (error) {
    return { problem: `${file} cannot be loaded: ${(error as Error).message}.` }
  }
}
