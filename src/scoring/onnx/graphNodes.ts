import { fieldsOf, textOf } from './protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL_GRAPH = 7
const MODEL_FUNCTIONS = 25
const FUNCTION_NODE = 7
const FUNCTION_NAME = 1
const FUNCTION_DOMAIN = 10
const GRAPH_NODE = 1
const NODE_OP_TYPE = 4
const NODE_ATTRIBUTE = 5
const NODE_DOMAIN = 7
const ATTRIBUTE_GRAPH = 6
const ATTRIBUTE_GRAPHS = 11

/** One operator of a graph. */
export interface GraphNode {
  readonly operator: string
  /** Empty for the standard operators. */
  readonly domain: string
}

/** All nodes of a model, also those of the bodies of loops and branches, and of the functions that it defines. */
export function* nodesOf(model: Uint8Array): Generator<GraphNode> {
  for (const { number, payload } of fieldsOf(model, MODEL_GRAPH, MODEL_FUNCTIONS)) {
    if (!payload) continue
    if (number === MODEL_GRAPH) yield* nodesIn(payload, GRAPH_NODE)
    if (number === MODEL_FUNCTIONS) yield* nodesIn(payload, FUNCTION_NODE)
  }
}

/** The functions that a model defines itself. */
export function functionsOf(model: Uint8Array): GraphNode[] {
  return [...fieldsOf(model, MODEL_FUNCTIONS)].flatMap(({ payload }) =>
    payload ? [{ operator: textOf(payload, FUNCTION_NAME), domain: textOf(payload, FUNCTION_DOMAIN) }] : [],
  )
}

function* nodesIn(body: Uint8Array, nodeField: number): Generator<GraphNode> {
  for (const { payload: node } of fieldsOf(body, nodeField)) {
    if (!node) continue
    yield { operator: textOf(node, NODE_OP_TYPE), domain: textOf(node, NODE_DOMAIN) }
    for (const { payload: attribute } of fieldsOf(node, NODE_ATTRIBUTE)) if (attribute) yield* nodesInAttribute(attribute)
  }
}

function* nodesInAttribute(attribute: Uint8Array): Generator<GraphNode> {
  for (const { payload } of fieldsOf(attribute, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS)) {
    if (payload) yield* nodesIn(payload, GRAPH_NODE)
  }
}
