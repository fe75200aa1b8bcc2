import { contractSchema, type ModelContract } from '../../src/scoring/contract.js'
import type { FeatureValues } from '../../src/scoring/features.js'
import { type ModelManifest, manifestSchema } from '../../src/scoring/manifest.js'
import { floats, graphBytes, int, ints, texts } from './onnxGraph.js'
import { randomFrom } from './random.js'

const FEATURES = 200
const DEPTH = 8

/** A boosted ensemble over 200 numbers, as large as a lender would train: its load and its runs take long. */
export interface BigModel {
  readonly contract: ModelContract
  readonly manifest: ModelManifest
  readonly graph: Uint8Array<ArrayBuffer>
  readonly rows: readonly FeatureValues[]
}

export function bigModel(trees: number, rows = 256): BigModel {
  const names = Array.from({ length: FEATURES }, (_, i) => `feature${i}`)
  const random = randomFrom(1)
  return {
    contract: contractSchema.parse({
      name: 'big-model',
      inputField: 'bigModel',
      features: names.map(name => ({ name, kind: 'NUMBER', required: true })),
    }),
    manifest: manifestSchema.parse({
      model: 'big-model',
      version: '1',
      onnx: {
        file: 'model.onnx',
        sha256: '0'.repeat(64),
        inputs: [{ name: 'features', type: 'float32', columns: names.map(feature => ({ feature })) }],
        output: { name: 'probability', column: 0 },
      },
      bands: { cutoffs: [0.03, 0.06, 0.1, 0.15, 0.22, 0.35, 0.6], highRiskFrom: 'T7' },
    }),
    graph: ensemble(trees),
    rows: Array.from({ length: rows }, () => Object.fromEntries(names.map(name => [name, random()]))),
  }
}

/** The sigmoid of a TreeEnsembleRegressor of full trees, whose splits and leaves are random. */
function ensemble(trees: number): Uint8Array<ArrayBuffer> {
  const random = randomFrom(2)
  const inner = 2 ** DEPTH - 1
  const all = inner + 2 ** DEPTH
  const nodes = Array.from({ length: trees * all }, (_, i) => ({
    tree: Math.floor(i / all),
    id: i % all,
    isLeaf: i % all >= inner,
  }))
  const leaves = nodes.filter(({ isLeaf }) => isLeaf)
  const attributes = [
    ints(
      'nodes_treeids',
      nodes.map(({ tree }) => tree),
    ),
    ints(
      'nodes_nodeids',
      nodes.map(({ id }) => id),
    ),
    ints(
      'nodes_featureids',
      nodes.map(({ isLeaf }) => (isLeaf ? 0 : Math.floor(random() * FEATURES))),
    ),
    floats(
      'nodes_values',
      nodes.map(({ isLeaf }) => (isLeaf ? 0 : random())),
    ),
    ints(
      'nodes_truenodeids',
      nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 1)),
    ),
    ints(
      'nodes_falsenodeids',
      nodes.map(({ id, isLeaf }) => (isLeaf ? 0 : 2 * id + 2)),
    ),
    texts(
      'nodes_modes',
      nodes.map(({ isLeaf }) => (isLeaf ? 'LEAF' : 'BRANCH_LEQ')),
    ),
    ints(
      'target_treeids',
      leaves.map(({ tree }) => tree),
    ),
    ints(
      'target_nodeids',
      leaves.map(({ id }) => id),
    ),
    ints(
      'target_ids',
      leaves.map(() => 0),
    ),
    floats(
      'target_weights',
      leaves.map(() => (random() - 0.5) / Math.sqrt(trees)),
    ),
    int('n_targets', 1),
  ]
  const boosted = { operator: 'TreeEnsembleRegressor', inputs: ['features'], output: 'score', domain: 'ai.onnx.ml', attributes }
  const sigmoid = { operator: 'Sigmoid', inputs: ['score'], output: 'probability' }
  return graphBytes({ nodes: [boosted, sigmoid], width: FEATURES, outputWidth: 1 })
}
