// Without the parts that read .proto files: they would double the time of the import.
import protobuf from 'protobufjs/minimal.js'

const VARINT = 0
const LENGTH_DELIMITED = 2

/** A field of a protobuf message, as it stands in the file. */
export interface Field {
  readonly number: number
  /** Key and value, to copy unchanged. */
  readonly bytes: Uint8Array
  /** The content of a text, of bytes or of an inner message; undefined for another type of field. */
  readonly payload: Uint8Array | undefined
  /** The value of a whole number; undefined for another type of field. */
  readonly value: number | undefined
}

/**
 * Reads the fields of a message in their order: all of them, or those of some numbers. Passing over the thousands of numbers that a
 * tree keeps is much cheaper than reading them. @throws Error where the bytes are no message
 */
export function* fieldsOf(message: Uint8Array, ...wanted: readonly number[]): Generator<Field> {
  const reader = protobuf.Reader.create(message)
  while (reader.pos < reader.len) {
    const start = reader.pos
    const key = reader.uint32()
    const type = key & 7
    if (wanted.length > 0 && !wanted.includes(key >>> 3)) {
      reader.skipType(type)
      continue
    }
    const payload = type === LENGTH_DELIMITED ? reader.bytes() : undefined
    const value = type === VARINT ? Number(reader.int64()) : undefined
    if (payload === undefined && value === undefined) reader.skipType(type)
    yield { number: key >>> 3, bytes: message.subarray(start, reader.pos), payload, value }
  }
}

/** Writes a message again, with some fields replaced, or dropped where `rewrite` gives undefined. */
export function rewriteFields(message: Uint8Array, rewrite: (field: Field) => Uint8Array | undefined): Uint8Array {
  return Buffer.concat([...fieldsOf(message)].flatMap(field => rewrite(field) ?? []))
}

/** A field with a new payload; the field itself where the payload is the same. */
export function withPayload(field: Field, payload: Uint8Array): Uint8Array {
  return payload === field.payload ? field.bytes : bytesField(field.number, payload)
}

export function bytesField(number: number, payload: Uint8Array): Uint8Array {
  return protobuf.Writer.create()
    .uint32((number << 3) | LENGTH_DELIMITED)
    .bytes(payload)
    .finish()
}

export function numberField(number: number, value: number): Uint8Array {
  return protobuf.Writer.create()
    .uint32((number << 3) | VARINT)
    .int64(value)
    .finish()
}

/** The first value of a text field; empty where the message has none. */
export function textOf(message: Uint8Array, number: number): string {
  for (const field of fieldsOf(message, number)) if (field.payload) return Buffer.from(field.payload).toString()
  return ''
}
