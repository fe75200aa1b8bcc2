import './telemetryOff.js'
import { InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../errors.js'
import type { Spellings } from '../contract.js'
import type { FeatureValues } from '../features.js'
import type { ModelManifest } from '../manifest.js'
import { encode } from './encoder.js'
import { dropZipMap } from './zipmap.js'

// A float32 softmax may exceed 1 by a rounding error: up to this much above 1 counts as 1.
const ROUNDING = 1e-6

const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  // A group of rows is scored in well under a millisecond: threads of its own would only compete with the event loop for the
  // cores.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  // Fatal errors only: the runtime writes to stderr without our logger, and may name values. Other errors still come as
  // exceptions.
  logSeverityLevel: 4,
}

/** A model version in memory, ready to score. */
export class OnnxModel {
  readonly #session: InferenceSession
  readonly #onnx: ModelManifest['onnx']
  readonly #outputName: string
  readonly #spellings: Spellings | undefined

  private constructor(session: InferenceSession, onnx: ModelManifest['onnx'], outputName: string, spellings?: Spellings) {
    this.#session = session
    this.#onnx = onnx
    this.#outputName = outputName
    this.#spellings = spellings
  }

  /** Loads the graph. @throws Error when it is not an ONNX model, or its inputs and output are not those of its manifest */
  static async load(file: Uint8Array, { onnx }: ModelManifest, spellings?: Spellings): Promise<OnnxModel> {
    const { bytes, tensorOf } = dropZipMap(file)
    const session = await InferenceSession.create(bytes, SESSION_OPTIONS)
    const outputName = tensorOf.get(onnx.output.name) ?? onnx.output.name
    const problems = graphProblems(session, onnx, outputName)
    if (problems.length > 0) {
      await session.release()
      throw new Error(problems.join('; '))
    }
    return new OnnxModel(session, onnx, outputName, spellings)
  }

  /**
   * Computes the probability of default of each row, in [0, 1].
   * @returns one answer for each row; an answer that is not a probability is replaced by MODEL_OUTPUT_INVALID
   * @throws AppError MODEL_OUTPUT_INVALID when the graph fails or answers in another shape
   */
  async score(rows: readonly FeatureValues[]): Promise<(number | AppError)[]> {
    const inputs = encode(rows, this.#onnx.inputs, this.#spellings)
    const feeds = Object.fromEntries(inputs.map(({ name, type, data, dims }) => [name, new Tensor(type, data, [...dims])]))
    let output: Tensor | undefined
    try {
      output = (await this.#session.run(feeds, [this.#outputName]))[this.#outputName] as Tensor | undefined
    } catch (cause) {
      throw new AppError('MODEL_OUTPUT_INVALID', 'The model could not score this application. Tell the operator.', { cause })
    }
    return this.#read(output, rows.length)
  }

  async release(): Promise<void> {
    await this.#session.release()
  }

  #read(output: Tensor | undefined, rows: number): (number | AppError)[] {
    const width = output?.dims.length === 2 ? (output.dims[1] as number) : 1
    const data = output?.data
    const isFloat = data instanceof Float32Array || data instanceof Float64Array
    const { column } = this.#onnx.output
    if (!isFloat || output?.dims[0] !== rows || data.length !== rows * width || column >= width) {
      throw new AppError(
        'MODEL_OUTPUT_INVALID',
        'The model answered in a shape that its manifest does not describe. Tell the operator.',
      )
    }
    return Array.from({ length: rows }, (_, row) => asProbability(data[row * width + column] as number))
  }
}

/** The differences between the graph and its manifest. */
function graphProblems(
  { inputMetadata, outputNames }: InferenceSession,
  { inputs }: ModelManifest['onnx'],
  output: string,
): string[] {
  const described = new Map(inputs.map(({ name, type, columns }) => [name, `${type} [N, ${columns.length}]`]))
  const problems = inputMetadata.flatMap(input => {
    const width = input.isTensor ? input.shape.at(-1) : undefined
    // A width that the graph leaves open is given as a name, often an empty one.
    const columns =
      typeof width === 'number' && width > 0 ? width : inputs.find(({ name }) => name === input.name)?.columns.length
    const actual = input.isTensor ? `${input.type} [N, ${columns}]` : 'no tensor'
    const wanted = described.get(input.name)
    described.delete(input.name)
    if (wanted === undefined) return [`its input ${input.name} is not in the manifest`]
    return wanted === actual ? [] : [`its input ${input.name} is ${actual}, in the manifest ${wanted}`]
  })
  for (const name of described.keys()) problems.push(`it has no input ${name}`)
  if (!outputNames.includes(output)) problems.push(`it has no output ${output}`)
  return problems
}

function asProbability(value: number): number | AppError {
  if (value >= 0 && value <= 1 + ROUNDING) return Math.min(value, 1)
  return new AppError('MODEL_OUTPUT_INVALID', 'The model returned a value that is not a probability. Tell the operator.')
}
