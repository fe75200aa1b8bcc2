import { nodesOf } from './graphNodes.js'

/**
 * Operators whose last bit depends on the size of the group and on the place of the row in it: the kernels of ONNX Runtime 1.30 work
 * on several numbers at once, and on what is left over in another way. Each was seen to do so, or shares its kernel with one.
 */
const UNSTEADY = new Set(
  `Acos Acosh Asin Asinh Atan Atanh Celu Cos Cosh Einsum Elu Erf Exp Gelu LayerNormalization Log LogSoftmax Mish Pow ReduceL1 ReduceL2
  ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSum ReduceSumSquare Selu Sin Sinh Softplus Softsign Tan`.split(/\s+/),
)
/** Steady in single precision only. */
const UNSTEADY_IN_DOUBLE = new Set(['Sigmoid', 'Softmax', 'Tanh'])

/** Whether rows of this model must not share a run, so that each gets the same bits in any company. */
export function hasUnsteadyOperators(model: Uint8Array, isDouble: boolean): boolean {
  for (const { operator } of nodesOf(model)) {
    if (UNSTEADY.has(operator) || (isDouble && UNSTEADY_IN_DOUBLE.has(operator))) return true
  }
  return false
}
