import { bytesField, type Field, fieldsOf, rewriteFields, textOf, withPayload } from './protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL_GRAPH = 7
const MODEL_FUNCTIONS = 25
const FUNCTION_NODE = 7
const GRAPH_NODE = 1
const GRAPH_INITIALIZER = 5
const GRAPH_SPARSE_INITIALIZER = 15
const NODE_ATTRIBUTE = 5
const ATTRIBUTE_TENSOR = 5
const ATTRIBUTE_GRAPH = 6
const ATTRIBUTE_TENSORS = 10
const ATTRIBUTE_GRAPHS = 11
const ATTRIBUTE_SPARSE_TENSOR = 22
const ATTRIBUTE_SPARSE_TENSORS = 23
const SPARSE_VALUES = 1
const SPARSE_INDICES = 2
const TENSOR_RAW_DATA = 9
const TENSOR_EXTERNAL_DATA = 13
const TENSOR_DATA_LOCATION = 14
const ENTRY_KEY = 1
const ENTRY_VALUE = 2
const EXTERNAL = 1

/** Files beside a graph that hold its large tensors, by their name. */
export type ExternalFiles = ReadonlyMap<string, Uint8Array>

/**
 * Moves large tensors from the files beside a model into the model itself. The runtime would look for them wherever the graph says.
 * @throws Error where a file or a part of it is missing
 */
export function inlineExternalData(model: Uint8Array, files: ExternalFiles): Uint8Array {
  if (externalFileNames(model).length === 0) return model
  return rewriteTensors(model, tensor => {
    const place = placeOf(tensor)
    const location = place.get('location')
    return location === undefined ? tensor : inlined(tensor, partOf(files, location, place))
  })
}

/** The names of the files that a model keeps its large tensors in; none where it stands alone. */
export function externalFileNames(model: Uint8Array): string[] {
  const names = new Set<string>()
  for (const { number, payload } of fieldsOf(model, MODEL_GRAPH, MODEL_FUNCTIONS)) {
    for (const tensor of payload ? tensorsIn(payload, number === MODEL_GRAPH ? GRAPH_NODE : FUNCTION_NODE) : []) {
      const location = placeOf(tensor).get('location')
      if (location !== undefined) names.add(location)
    }
  }
  return [...names]
}

/** The tensors of a graph or a function, the same that `rewriteTensors` visits. */
function* tensorsIn(body: Uint8Array, nodeField: number): Generator<Uint8Array> {
  const isGraph = nodeField === GRAPH_NODE
  for (const { number, payload } of fieldsOf(
    body,
    nodeField,
    ...(isGraph ? [GRAPH_INITIALIZER, GRAPH_SPARSE_INITIALIZER] : []),
  )) {
    if (!payload) continue
    if (number === nodeField) {
      for (const attribute of payloadsOf(payload, NODE_ATTRIBUTE)) yield* tensorsInAttribute(attribute)
    } else if (number === GRAPH_INITIALIZER) yield payload
    else yield* payloadsOf(payload, SPARSE_VALUES, SPARSE_INDICES)
  }
}

function* tensorsInAttribute(attribute: Uint8Array): Generator<Uint8Array> {
  yield* payloadsOf(attribute, ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS)
  for (const graph of payloadsOf(attribute, ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS)) yield* tensorsIn(graph, GRAPH_NODE)
  for (const sparse of payloadsOf(attribute, ATTRIBUTE_SPARSE_TENSOR, ATTRIBUTE_SPARSE_TENSORS)) {
    yield* payloadsOf(sparse, SPARSE_VALUES, SPARSE_INDICES)
  }
}

function* payloadsOf(message: Uint8Array, ...numbers: readonly number[]): Generator<Uint8Array> {
  for (const { payload } of fieldsOf(message, ...numbers)) if (payload) yield payload
}

function partOf(files: ExternalFiles, location: string, place: ReadonlyMap<string, string>): Uint8Array {
  const file = files.get(location)
  if (!file) throw new Error(`its tensors are in ${location}, which is not in the manifest`)
  const from = Number(place.get('offset') ?? 0)
  const length = place.get('length')
  const to = length === undefined ? file.length : from + Number(length)
  if (from >= 0 && from <= to && to <= file.length) return file.subarray(from, to)
  throw new Error(`${location} is shorter than its graph says; copy it again`)
}

function inlined(tensor: Uint8Array, data: Uint8Array): Uint8Array {
  const rest = rewriteFields(tensor, ({ number, bytes }) =>
    number === TENSOR_EXTERNAL_DATA || number === TENSOR_DATA_LOCATION ? undefined : bytes,
  )
  return Buffer.concat([rest, bytesField(TENSOR_RAW_DATA, data)])
}

/** Where an external tensor is: location, offset and length; empty for another tensor. */
function placeOf(tensor: Uint8Array): ReadonlyMap<string, string> {
  const fields = [...fieldsOf(tensor, TENSOR_DATA_LOCATION, TENSOR_EXTERNAL_DATA)]
  if (!fields.some(({ number, value }) => number === TENSOR_DATA_LOCATION && value === EXTERNAL)) return new Map()
  const entries = fields.flatMap(({ number, payload }) => (number === TENSOR_EXTERNAL_DATA && payload ? [payload] : []))
  return new Map(entries.map(entry => [textOf(entry, ENTRY_KEY), textOf(entry, ENTRY_VALUE)]))
}

function rewriteTensors(model: Uint8Array, rewrite: (tensor: Uint8Array) => Uint8Array): Uint8Array {
  const inner = (message: Uint8Array, rules: Readonly<Record<number, (payload: Uint8Array) => Uint8Array>>): Uint8Array =>
    rewriteFields(message, (field: Field) => {
      const rule = rules[field.number]
      return rule && field.payload ? withPayload(field, rule(field.payload)) : field.bytes
    })
  // Every place of a tensor: the runtime would read the file of one that is forgotten here.
  const sparse = (message: Uint8Array) => inner(message, { [SPARSE_VALUES]: rewrite, [SPARSE_INDICES]: rewrite })
  const attribute = (message: Uint8Array) =>
    inner(message, {
      [ATTRIBUTE_TENSOR]: rewrite,
      [ATTRIBUTE_TENSORS]: rewrite,
      [ATTRIBUTE_GRAPH]: graph,
      [ATTRIBUTE_GRAPHS]: graph,
      [ATTRIBUTE_SPARSE_TENSOR]: sparse,
      [ATTRIBUTE_SPARSE_TENSORS]: sparse,
    })
  const node = (message: Uint8Array) => inner(message, { [NODE_ATTRIBUTE]: attribute })
  const graph = (message: Uint8Array): Uint8Array =>
    inner(message, { [GRAPH_NODE]: node, [GRAPH_INITIALIZER]: rewrite, [GRAPH_SPARSE_INITIALIZER]: sparse })
  const definition = (message: Uint8Array) => inner(message, { [FUNCTION_NODE]: node })
  return inner(model, { [MODEL_GRAPH]: graph, [MODEL_FUNCTIONS]: definition })
}
