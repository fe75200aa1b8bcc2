import './telemetryOff.js'
import { getFloat16 } from '@petamoriken/float16'
import { env, InferenceSession, Tensor } from 'onnxruntime-node'
import { AppError } from '../../errors.js'
import type { FeatureValues } from '../features.js'
import type { GraphUse } from '../manifest.js'
import type { Spellings } from '../spellings.js'
import { encode } from './encoder.js'
import { lowerFormat } from './formatVersion.js'
import { flatInputs, formProblems, type GraphMetadata, takesOneRow } from './graphForm.js'
import { hasUnsteadyOperators } from './unsteadyOperators.js'
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

export const ONNX_RUNTIME_VERSION = env.versions.node ?? env.versions.common

/** A model version in memory, ready to score. */
export class OnnxModel {
  readonly #session: InferenceSession
  readonly #onnx: GraphUse
  readonly #outputName: string
  readonly #takesOneRow: boolean
  readonly #flatInputs: ReadonlySet<string>
  #isRunRowByRow: boolean
  readonly #spellings: Spellings | undefined

  private constructor(session: InferenceSession, onnx: GraphUse, outputName: string, isUnsteady: boolean, spellings?: Spellings) {
    this.#session = session
    this.#onnx = onnx
    this.#outputName = outputName
    this.#takesOneRow = takesOneRow(session)
    this.#flatInputs = flatInputs(session)
    this.#isRunRowByRow = this.#takesOneRow || isUnsteady
    this.#spellings = spellings
  }

  /** Loads the graph. @throws Error when it is not an ONNX model, or its inputs and output are not those of its manifest */
  static async load(file: Uint8Array, { onnx }: { readonly onnx: GraphUse }, spellings?: Spellings): Promise<OnnxModel> {
    const { bytes, tensorOf } = dropZipMap(lowerFormat(file))
    const session = await InferenceSession.create(bytes, SESSION_OPTIONS)
    const tensor = tensorOf.get(onnx.output.name) ?? onnx.output.name
    const nameOf = new Map([...tensorOf].map(([name, tensor]) => [tensor, name]))
    const offered = session.outputNames.map(name => nameOf.get(name) ?? name)
    const problems = formProblems(session, onnx, { tensor, offered })
    if (problems.length > 0) {
      await session.release()
      throw new Error(problems.join('; '))
    }
    const isDouble = onnx.inputs.some(({ type }) => type === 'float64')
    return new OnnxModel(session, onnx, tensor, hasUnsteadyOperators(bytes, isDouble), spellings)
  }

  /** What the graph takes and gives, with the names of its file. @throws Error when it is not an ONNX model */
  static async formOf(file: Uint8Array): Promise<GraphMetadata> {
    const { bytes, tensorOf } = dropZipMap(lowerFormat(file))
    const session = await InferenceSession.create(bytes, SESSION_OPTIONS)
    const { inputMetadata, outputMetadata } = session
    await session.release()
    const nameOf = new Map([...tensorOf].map(([name, tensor]) => [tensor, name]))
    return {
      inputMetadata,
      outputMetadata: outputMetadata.map(output => ({ ...output, name: nameOf.get(output.name) ?? output.name })),
    }
  }

  /**
   * Computes the probability of default of each row, in [0, 1]. A row gets the same bits alone as among others.
   * @returns one answer for each row; an answer that is not a probability is replaced by MODEL_OUTPUT_INVALID
   * @throws AppError MODEL_OUTPUT_INVALID when the graph fails or answers in another shape
   */
  score(rows: readonly FeatureValues[]): Promise<(number | AppError)[]> {
    return probabilitiesOf(this.run(rows))
  }

  /** From now on no row shares a run with another: for a graph whose answers have other bits in a group. It is slower. */
  runRowByRow(): void {
    this.#isRunRowByRow = true
  }

  /** What the graph answers for each row, as it comes. @throws Error when the graph fails or answers in another shape */
  async run(rows: readonly FeatureValues[]): Promise<number[]> {
    if (rows.length > 1 && !this.#isRunRowByRow) return this.#runGroup(rows)
    const answers: number[] = []
    for (const row of rows) {
      // The runtime sums a matrix of one row in another order: some linear models would answer one float32 step off.
      const [answer] = await this.#runGroup(this.#takesOneRow ? [row] : [row, row])
      answers.push(answer as number)
    }
    return answers
  }

  /** Whether a number passes through half precision on its way in or out. */
  get isHalfPrecision(): boolean {
    const { inputMetadata, outputMetadata } = this.#session
    const output = outputMetadata.filter(({ name }) => name === this.#outputName)
    return [...inputMetadata, ...output].some(value => value.isTensor && value.type === 'float16')
  }

  async release(): Promise<void> {
    await this.#session.release()
  }

  async #runGroup(rows: readonly FeatureValues[]): Promise<number[]> {
    const inputs = encode(rows, this.#onnx.inputs, this.#spellings)
    const feeds = Object.fromEntries(
      inputs.map(({ name, type, data, dims }) => [
        name,
        new Tensor(type, data, this.#flatInputs.has(name) ? [data.length] : [...dims]),
      ]),
    )
    const outputs = await this.#session.run(feeds, [this.#outputName])
    return this.#read(outputs[this.#outputName], rows.length)
  }

  #read(output: Tensor | undefined, rows: number): number[] {
    const values = output && numbersOf(output)
    const width = (values?.length ?? 0) / rows
    const { name, column } = this.#onnx.output
    // A graph for a single row may answer without a dimension for rows.
    const hasAllRows = this.#takesOneRow || output?.dims[0] === rows
    if (!values || !hasAllRows || !Number.isInteger(width) || column >= width) {
      const form = output ? `${output.type} [${output.dims.join(', ')}]` : 'nothing'
      throw new Error(`output ${name} answers ${rows} rows with ${form}, where the manifest reads column ${column} of each row`)
    }
    return Array.from({ length: rows }, (_, row) => values[row * width + column] as number)
  }
}

/** The numbers of an output; undefined where it holds something else. */
function numbersOf({ type, data }: Tensor): ArrayLike<number> | undefined {
  if (data instanceof Float32Array || data instanceof Float64Array) return data
  if (type !== 'float16' || !ArrayBuffer.isView(data)) return undefined
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength)
  return Array.from({ length: view.byteLength / 2 }, (_, i) => getFloat16(view, i * 2, true))
}

/** The probabilities that a run of a graph answers. An error that is not for the caller becomes MODEL_OUTPUT_INVALID. */
export async function probabilitiesOf(run: Promise<readonly number[]>): Promise<(number | AppError)[]> {
  const answers = await run.catch(cause => {
    if (cause instanceof AppError) throw cause
    throw new AppError('MODEL_OUTPUT_INVALID', 'The model could not score this application. Tell the operator.', { cause })
  })
  return answers.map(answer => probabilityOf(answer) ?? noProbability())
}

/** The probability that an answer of a graph is; undefined when it is none. */
export function probabilityOf(answer: number): number | undefined {
  return answer >= 0 && answer <= 1 + ROUNDING ? Math.min(answer, 1) : undefined
}

function noProbability(): AppError {
  return new AppError('MODEL_OUTPUT_INVALID', 'The model returned a value that is not a probability. Tell the operator.')
}
