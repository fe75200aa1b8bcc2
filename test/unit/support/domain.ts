import { contractSchema, type ModelContract } from '../../../src/scoring/contract.js'
import { type GraphInput, type ModelManifest, manifestSchema } from '../../../src/scoring/manifest.js'

const described = { en: 'a feature', es: 'una característica' }

/** A contract with one feature of every kind, in the form of its JSON file. */
export function contractJson() {
  return {
    name: 'test-model',
    inputField: 'testModel',
    description: described,
    features: [
      { name: 'amount', kind: 'NUMBER', required: true, minimum: 1, maximum: 1_000, unit: 'euro', description: described },
      { name: 'count', kind: 'INTEGER', required: false, minimum: 0, maximum: 100, description: described },
      { name: 'open', kind: 'NUMBER', required: false, description: described },
      { name: 'flag', kind: 'BOOLEAN', required: true, description: described },
      { name: 'grade', kind: 'CATEGORY', required: false, categories: ['A', 'B', 'C'], description: described },
    ],
  }
}

export function manifestJson() {
  return {
    model: 'test-model',
    version: '1',
    algorithm: 'test',
    createdAt: '2026-01-01T00:00:00.000Z',
    onnx: {
      file: 'model.onnx',
      sha256: '0'.repeat(64),
      inputs: [{ name: 'features', type: 'float32', columns: [{ feature: 'amount' }, { feature: 'count' }] }],
      output: { name: 'probabilities', column: 1 },
    },
    bands: { cutoffs: [0.03, 0.06, 0.1, 0.15, 0.22, 0.35, 0.6], highRiskFrom: 'T7' },
    metrics: [{ name: 'auc', value: 0.85, dataset: 'held-out' }],
  }
}

export const contract: ModelContract = contractSchema.parse(contractJson())
export const manifest: ModelManifest = manifestSchema.parse(manifestJson())

/** The manifest of an ONNX fixture: by default two numbers, `amount` and `count`, in one input. */
export function manifestOf(
  output: { name: string; column: number },
  inputs: GraphInput[] = [{ name: 'features', type: 'float32', columns: [{ feature: 'amount' }, { feature: 'count' }] }],
): ModelManifest {
  return { ...manifest, onnx: { ...manifest.onnx, inputs, output } }
}

export { randomFrom } from '../../support/random.js'
