import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { VersionToCheck } from '../../../src/releases/admission/admission.js'
import { readVersion } from '../../../src/releases/admission/readVersion.js'
import type { ModelContract } from '../../../src/scoring/contract.js'
import { contract, manifestOf } from './domain.js'

const FIXTURES = new URL('../../fixtures/onnx/', import.meta.url)

/** The contract of the hostile fixtures: two numbers that every application has. */
export const TWO_NUMBERS: ModelContract = {
  ...contract,
  features: contract.features
    .filter(({ name }) => ['amount', 'count'].includes(name))
    .map(feature => ({ ...feature, required: true })),
}

/** The rule that the fixtures follow. */
export function rule(amount: number, count: number): number {
  return 1 / (1 + Math.exp(-(0.5 * amount - 0.25 * count + 0.125)))
}

const GOLDEN = [2, 1, 100, 1_000].flatMap((amount, i) =>
  [i, 90 + i].map(count => ({ features: { amount, count }, probability: rule(amount, count) })),
)

export function fixture(name: string): Promise<Buffer> {
  return readFile(new URL(name, FIXTURES))
}

/** Writes the folder of a version of a graph. */
export async function versionOf(
  directory: string,
  graph: Uint8Array,
  golden: readonly object[] = GOLDEN,
): Promise<VersionToCheck> {
  await mkdir(directory, { recursive: true })
  const { onnx, ...rest } = manifestOf({ name: 'probability', column: 0 })
  const manifest = { ...rest, onnx: { ...onnx, sha256: createHash('sha256').update(graph).digest('hex') } }
  await writeFile(join(directory, 'model.onnx'), graph)
  await writeFile(join(directory, 'golden.jsonl'), golden.map(row => `${JSON.stringify(row)}\n`).join(''))
  await writeFile(join(directory, 'manifest.json'), JSON.stringify(manifest))
  return { ...(await readVersion(directory, manifest.version, TWO_NUMBERS)), manifest }
}
