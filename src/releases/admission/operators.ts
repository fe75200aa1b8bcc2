import { functionsOf, type GraphNode, nodesOf } from '../../scoring/onnx/graphNodes.js'
import { dropsAtRandom } from './dropouts.js'

/** The standard operators, those of classical models, and ONNX Runtime's own. Whether it ships one of these shows when it loads. */
const DOMAINS = new Set(['', 'ai.onnx', 'ai.onnx.ml', 'com.microsoft'])
/** The same application would get another probability each time. */
const RANDOM = new Set(
  `Bernoulli BiasDropout BitmaskBiasDropout BitmaskDropout Multinomial RandomNormal RandomNormalLike RandomUniform
  RandomUniformLike`.split(/\s+/),
)

/** Sentences on operators that must not serve. @throws Error where the bytes are no ONNX model */
export function operatorProblems(model: Uint8Array): string[] {
  const own = new Set(functionsOf(model).map(named))
  const foreign = new Set<string>()
  const random = new Set<string>()
  for (const node of nodesOf(model)) {
    if (!DOMAINS.has(node.domain) && !own.has(named(node))) foreign.add(named(node))
    if (RANDOM.has(node.operator)) random.add(node.operator)
  }
  if (dropsAtRandom(model)) random.add('Dropout with training_mode')
  return [
    ...(foreign.size > 0
      ? [`it uses ${[...foreign].join(', ')}, which ONNX Runtime does not have; export it with standard operators alone`]
      : []),
    ...(random.size > 0 ? [`it uses ${[...random].join(', ')}, and would answer something else each time`] : []),
  ]
}

function named({ domain, operator }: GraphNode): string {
  return `${domain}:${operator}`
}
