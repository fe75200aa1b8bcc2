import { bytesField, type Field, fieldsOf, rewriteFields, textOf, withPayload } from './protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL_GRAPH = 7
const GRAPH_NODE = 1
const GRAPH_OUTPUT = 12
const NODE_INPUT = 1
const NODE_OUTPUT = 2
const NODE_OP_TYPE = 4
const VALUE_INFO_NAME = 1

export interface PlainGraph {
  /** The model without ZipMap nodes. */
  readonly bytes: Uint8Array
  /** Names of former ZipMap outputs, each with the tensor that replaces it. */
  readonly tensorOf: ReadonlyMap<string, string>
}

/**
 * Removes ZipMap nodes from an ONNX model, and makes their input tensors graph outputs instead. scikit-learn's and LightGBM's
 * converters add a ZipMap by default, and ONNX Runtime for Node cannot return its sequence of maps.
 */
export function dropZipMap(model: Uint8Array): PlainGraph {
  const tensorOf = new Map<string, string>()
  for (const { payload: graph } of fieldsOf(model, MODEL_GRAPH)) {
    if (!graph) continue
    for (const field of fieldsOf(graph, GRAPH_NODE)) {
      if (isZipMap(field)) tensorOf.set(textOf(field.payload, NODE_OUTPUT), textOf(field.payload, NODE_INPUT))
    }
  }
  if (tensorOf.size === 0) return { bytes: model, tensorOf }
  const bytes = rewriteFields(model, field =>
    field.number === MODEL_GRAPH && field.payload ? withPayload(field, withoutZipMaps(field.payload, tensorOf)) : field.bytes,
  )
  return { bytes, tensorOf }
}

function withoutZipMaps(graph: Uint8Array, tensorOf: ReadonlyMap<string, string>): Uint8Array {
  return rewriteFields(graph, field => {
    if (isZipMap(field)) return undefined
    const isOutput = field.number === GRAPH_OUTPUT && field.payload
    const tensor = isOutput ? tensorOf.get(textOf(field.payload, VALUE_INFO_NAME)) : undefined
    // Without a type: ONNX Runtime infers it from the node that makes the tensor.
    return tensor === undefined ? field.bytes : bytesField(GRAPH_OUTPUT, bytesField(VALUE_INFO_NAME, Buffer.from(tensor)))
  })
}

function isZipMap(field: Field): field is Field & { readonly payload: Uint8Array } {
  return field.number === GRAPH_NODE && field.payload !== undefined && textOf(field.payload, NODE_OP_TYPE) === 'ZipMap'
}
