import protobuf from 'protobufjs'

// Field numbers of onnx.proto (ONNX IR specification).

export interface GraphNode {
  readonly operator: string
  readonly inputs: readonly string[]
  readonly output: string
  readonly domain?: string
  /** As AttributeProto messages. */
  readonly attributes?: readonly Uint8Array[]
}

export interface GraphForm {
  readonly nodes: readonly GraphNode[]
  /** Width of the only input, `features`, a float32 tensor of any number of rows. */
  readonly width: number
  /** Width of the only output, `probability`. */
  readonly outputWidth: number
  /** Scalars of type int64, by name. */
  readonly constants?: Readonly<Record<string, number>>
}

/** An ONNX model as bytes. */
export function graphBytes({ nodes, width, outputWidth, constants = {} }: GraphForm): Uint8Array<ArrayBuffer> {
  const graph = message(writer => {
    for (const node of nodes) bytes(writer, 1, nodeBytes(node))
    text(writer, 2, 'graph')
    for (const [name, value] of Object.entries(constants)) bytes(writer, 5, scalar(name, value))
    bytes(writer, 11, tensor('features', width))
    bytes(writer, 12, tensor('probability', outputWidth))
  })
  const model = message(writer => {
    writer.uint32(1 << 3).int64(8)
    bytes(writer, 7, graph)
    bytes(writer, 8, operators('', 17))
    bytes(writer, 8, operators('ai.onnx.ml', 3))
  })
  return new Uint8Array(model)
}

/** Whole numbers as an attribute. */
export function ints(name: string, values: readonly number[]): Uint8Array {
  return attribute(name, 7, writer => {
    writer.uint32((8 << 3) | 2).fork()
    for (const value of values) writer.int64(value)
    writer.ldelim()
  })
}

export function int(name: string, value: number): Uint8Array {
  return attribute(name, 2, writer => writer.uint32(3 << 3).int64(value))
}

/** float32 numbers as an attribute. */
export function floats(name: string, values: readonly number[]): Uint8Array {
  return attribute(name, 6, writer => {
    writer.uint32((7 << 3) | 2).fork()
    for (const value of values) writer.float(value)
    writer.ldelim()
  })
}

export function texts(name: string, values: readonly string[]): Uint8Array {
  return attribute(name, 8, writer => {
    for (const value of values) text(writer, 9, value)
  })
}

function nodeBytes({ operator, inputs, output, domain, attributes = [] }: GraphNode): Uint8Array {
  return message(writer => {
    for (const input of inputs) text(writer, 1, input)
    text(writer, 2, output)
    text(writer, 4, operator)
    for (const attribute of attributes) bytes(writer, 5, attribute)
    if (domain !== undefined) text(writer, 7, domain)
  })
}

/** `type` as in AttributeProto.AttributeType. */
function attribute(name: string, type: number, write: (writer: protobuf.Writer) => void): Uint8Array {
  return message(writer => {
    text(writer, 1, name)
    write(writer)
    writer.uint32(20 << 3).int32(type)
  })
}

function operators(domain: string, version: number): Uint8Array {
  return message(writer => {
    text(writer, 1, domain)
    writer.uint32(2 << 3).int64(version)
  })
}

function scalar(name: string, value: number): Uint8Array {
  return message(writer => {
    writer.uint32(2 << 3).int32(7)
    writer.uint32(7 << 3).int64(value)
    text(writer, 8, name)
  })
}

function tensor(name: string, width: number): Uint8Array {
  const dimension = (write: (writer: protobuf.Writer) => void) => message(writer => bytes(writer, 1, message(write)))
  const rows = dimension(writer => text(writer, 2, 'N'))
  const columns = dimension(writer => writer.uint32(1 << 3).int64(width))
  const type = message(writer => {
    writer.uint32(1 << 3).int32(1)
    bytes(writer, 2, Buffer.concat([rows, columns]))
  })
  return message(writer => {
    text(writer, 1, name)
    bytes(
      writer,
      2,
      message(inner => bytes(inner, 1, type)),
    )
  })
}

function message(write: (writer: protobuf.Writer) => void): Uint8Array {
  const writer = protobuf.Writer.create()
  write(writer)
  return writer.finish()
}

function bytes(writer: protobuf.Writer, number: number, value: Uint8Array): void {
  writer.uint32((number << 3) | 2).bytes(value)
}

function text(writer: protobuf.Writer, number: number, value: string): void {
  writer.uint32((number << 3) | 2).string(value)
}
