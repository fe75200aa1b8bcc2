import { fieldsOf, numberField, rewriteFields, textOf } from './protobufFields.js'

// Field numbers of onnx.proto (ONNX IR specification).
const IR_VERSION = 1
const OPSET_IMPORT = 8
const OPSET_DOMAIN = 1
const OPSET_VERSION = 2

/** The newest file format and the newest standard operators that the bundled ONNX Runtime reads. */
export const NEWEST = { ir: 13, opset: 26 } as const

/**
 * Marks a model of a newer file format as one that the runtime reads, where its operators are known. What a newer format adds is in
 * fields that the runtime passes over, so the golden rows decide whether the graph means the same.
 * @throws Error where the operators are too new, with what to do
 */
export function lowerFormat(model: Uint8Array): Uint8Array {
  let isNewer = false
  for (const { number, payload, value } of fieldsOf(model, IR_VERSION, OPSET_IMPORT)) {
    if (number === IR_VERSION && value !== undefined) isNewer = value > NEWEST.ir
    if (number === OPSET_IMPORT && payload) refuseNewerOpset(payload)
  }
  if (!isNewer) return model
  return rewriteFields(model, field => (field.number === IR_VERSION ? numberField(IR_VERSION, NEWEST.ir) : field.bytes))
}

function refuseNewerOpset(opset: Uint8Array): void {
  const isStandard = textOf(opset, OPSET_DOMAIN) === ''
  const version = [...fieldsOf(opset, OPSET_VERSION)][0]?.value ?? 0
  if (!isStandard || version <= NEWEST.opset) return
  throw new Error(`it uses operators of opset ${version}; export it again for opset ${NEWEST.opset} or older (target_opset)`)
}
