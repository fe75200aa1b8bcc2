import { fieldsOf, textOf } from '../../scoring/onnx/protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL = { graph: 7, function: 25 }
const GRAPH = { node: 1, initializer: 5, input: 11 }
const FUNCTION = { input: 4, node: 7 }
const NODE = { input: 1, output: 2, operator: 4, attribute: 5, domain: 7 }
const ATTRIBUTE = { tensor: 5, graph: 6, graphs: 11 }
const TENSOR = { type: 2, int32Data: 5, name: 8, rawData: 9 }
const VALUE_NAME = 1

const BOOLEAN = 9
const TRAINING_MODE = 2

/**
 * Whether a Dropout of the model may drop values at random. Without training_mode it passes them on. A training_mode is harmless only
 * where it is a constant false.
 */
export function dropsAtRandom(model: Uint8Array): boolean {
  return (
    payloads(model, MODEL.graph).some(graph => graphDrops(graph, new Set())) ||
    payloads(model, MODEL.function).some(body => {
      const nodes = payloads(body, FUNCTION.node)
      return nodesDrop(nodes, visible(new Set(), texts(body, FUNCTION.input), nodes, []))
    })
  )
}

/** `outside` names what is a constant false in the bodies around this one. */
function graphDrops(graph: Uint8Array, outside: ReadonlySet<string>): boolean {
  const inputs = payloads(graph, GRAPH.input).map(input => textOf(input, VALUE_NAME))
  const nodes = payloads(graph, GRAPH.node)
  return nodesDrop(nodes, visible(outside, inputs, nodes, payloads(graph, GRAPH.initializer)))
}

function nodesDrop(nodes: readonly Uint8Array[], constantFalse: ReadonlySet<string>): boolean {
  return nodes.some(node => {
    if (isDropout(node)) {
      const trainingMode = texts(node, NODE.input)[TRAINING_MODE] ?? ''
      if (trainingMode !== '' && !constantFalse.has(trainingMode)) return true
    }
    return payloads(node, NODE.attribute).some(attribute =>
      payloads(attribute, ATTRIBUTE.graph, ATTRIBUTE.graphs).some(graph => graphDrops(graph, constantFalse)),
    )
  })
}

/** The names that are a constant false in a body. What the body takes or computes hides a name from outside. */
function visible(
  outside: ReadonlySet<string>,
  inputs: readonly string[],
  nodes: readonly Uint8Array[],
  initializers: readonly Uint8Array[],
): Set<string> {
  const names = new Set(outside)
  for (const initializer of initializers) setWhere(isFalse(initializer), names, textOf(initializer, TENSOR.name))
  for (const node of nodes) for (const output of texts(node, NODE.output)) setWhere(isFalseConstant(node), names, output)
  for (const input of inputs) names.delete(input)
  return names
}

function setWhere(holds: boolean, names: Set<string>, name: string): void {
  if (holds) names.add(name)
  else names.delete(name)
}

function isDropout(node: Uint8Array): boolean {
  return textOf(node, NODE.operator) === 'Dropout' && ['', 'ai.onnx'].includes(textOf(node, NODE.domain))
}

function isFalseConstant(node: Uint8Array): boolean {
  if (textOf(node, NODE.operator) !== 'Constant') return false
  return payloads(node, NODE.attribute).some(attribute => payloads(attribute, ATTRIBUTE.tensor).some(isFalse))
}

function isFalse(tensor: Uint8Array): boolean {
  const fields = [...fieldsOf(tensor, TENSOR.type, TENSOR.int32Data, TENSOR.rawData)]
  const isBoolean = fields.some(({ number, value }) => number === TENSOR.type && value === BOOLEAN)
  const data = fields.filter(({ number }) => number !== TENSOR.type)
  const isZero = ({ payload, value }: (typeof fields)[number]) => value === 0 || (payload?.length === 1 && payload[0] === 0)
  return isBoolean && data.length === 1 && data.every(isZero)
}

function payloads(message: Uint8Array, ...numbers: readonly number[]): Uint8Array[] {
  return [...fieldsOf(message, ...numbers)].flatMap(({ payload }) => payload ?? [])
}

function texts(message: Uint8Array, number: number): string[] {
  return payloads(message, number).map(text => Buffer.from(text).toString())
}
