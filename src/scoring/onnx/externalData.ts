import { bytesField, type Field, fieldsOf, rewriteFields, textOf, withPayload } from './protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const MODEL_GRAPH = 7
const GRAPH_NODE = 1
const GRAPH_INITIALIZER = 5
const NODE_ATTRIBUTE = 5
const ATTRIBUTE_TENSOR = 5
const ATTRIBUTE_GRAPH = 6
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
  rewriteTensors(model, tensor => {
    const location = placeOf(tensor).get('location')
    if (location !== undefined) names.add(location)
    return tensor
  })
  return [...names]
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
  const fields = [...fieldsOf(tensor)]
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
  const attribute = (message: Uint8Array) => inner(message, { [ATTRIBUTE_TENSOR]: rewrite, [ATTRIBUTE_GRAPH]: graph })
  const node = (message: Uint8Array) => inner(message, { [NODE_ATTRIBUTE]: attribute })
  const graph = (message: Uint8Array): Uint8Array => inner(message, { [GRAPH_NODE]: node, [GRAPH_INITIALIZER]: rewrite })
  return inner(model, { [MODEL_GRAPH]: graph })
}
