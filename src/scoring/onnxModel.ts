import { InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../errors.js'
import { encode } from './encoder.js'
import type { FeatureValues } from './features.js'
import type { ModelManifest } from './manifest.js'
import { dropZipMap } from './zipmap.js'

// A float32 softmax may end a rounding error above 1: that much is taken for 1.
const ROUNDING = 1e-6

const SESSION_OPTIONS: InferenceSession.SessionOptions = {
  // A group of rows is scored in well under a millisecond: threads of its own would only fight the event loop for the cores.
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  graphOptimizationLevel: 'all',
  // Errors only: warnings of the runtime go to stderr past the logger.
  logSeverityLevel: 3,
}

/** A model version in memory, ready to score. */
export class OnnxModel {
  readonly #session: InferenceSession
  readonly #onnx: ModelManifest['onnx']
  readonly #outputName: string

  private constructor(session: InferenceSession, onnx: ModelManifest['onnx'], outputName: string) {
    this.#session = session
    this.#onnx = onnx
    this.#outputName = outputName
  }

  /** Loads the graph; throws when it is no ONNX model or has not the inputs and output that its manifest names. */
  static async load(file: Uint8Array, { onnx }: ModelManifest): Promise<OnnxModel> {
    const { bytes, tensorOf } = dropZipMap(file)
    const session = await InferenceSession.create(bytes, SESSION_OPTIONS)
    const outputName = tensorOf.get(onnx.output.name) ?? onnx.output.name
    const declared = new Set(onnx.inputs.map(({ name }) => name))
    const undeclared = session.inputNames.filter(name => !declared.has(name))
    const unknown = [...declared].filter(name => !session.inputNames.includes(name))
    if (undeclared.length > 0 || unknown.length > 0 || !session.outputNames.includes(outputName)) {
      await session.release()
      throw new Error(
        `the graph's inputs (${session.inputNames.join(', ')}) and outputs (${session.outputNames.join(', ')}) are not those of the manifest`,
      )
    }
    return new OnnxModel(session, onnx, outputName)
  }

  /**
   * Probability of default of each row, in [0, 1].
   * @returns one answer a row; MODEL_OUTPUT_INVALID stands in place of an answer that is no probability
   * @throws AppError MODEL_OUTPUT_INVALID when the graph fails or answers in another shape
   */
  async score(rows: readonly FeatureValues[]): Promise<(number | AppError)[]> {
    const inputs = encode(rows, this.#onnx.inputs)
    const feeds = Object.fromEntries(inputs.map(({ name, type, data, dims }) => [name, new Tensor(type, data, [...dims])]))
    let output: Tensor | undefined
    try {
      output = (await this.#session.run(feeds, [this.#outputName]))[this.#outputName] as Tensor | undefined
    } catch (cause) {
      throw new AppError('MODEL_OUTPUT_INVALID', 'The model could not score this application.', { cause })
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
      throw new AppError('MODEL_OUTPUT_INVALID', 'The model answered in a shape that its manifest does not describe.')
    }
    return Array.from({ length: rows }, (_, row) => asProbability(data[row * width + column] as number))
  }
}

function asProbability(value: number): number | AppError {
  if (value >= 0 && value <= 1 + ROUNDING) return Math.min(value, 1)
  return new AppError('MODEL_OUTPUT_INVALID', 'The model answered with something that is no probability.')
}
