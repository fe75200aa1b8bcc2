import { parse } from 'yaml'
import { z } from 'zod'
import { MlflowError } from './mlflowError.js'

const MAX_BYTES = 1024 * 1024

/** A column of a signature: of a table, by its name and type, or a tensor, which may have no name. */
export interface SignatureColumn {
  readonly name: string | undefined
  /** MLflow's name of a type: double, long, string, boolean, or that of numpy: float32, int64, object. */
  readonly type: string
  /** How many features it holds; undefined where the signature leaves it open. */
  readonly width: number | undefined
}

/** What riskgate needs of an MLmodel file. */
export interface Mlmodel {
  /** The path of the graph in the folder. */
  readonly graph: string
  /** The inputs of the model; undefined where it was logged without a signature. */
  readonly signature: readonly SignatureColumn[] | undefined
  /** The path of the input example in the folder. */
  readonly inputExample: string | undefined
}

const localPath = z.string().regex(/^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^/\\\p{Cc}][^\\\p{Cc}]*$/u, 'must be a path in the folder')
const tensor = z.object({ dtype: z.string(), shape: z.array(z.int()) })
const signatureColumn = z
  .object({ name: z.string().optional(), type: z.string(), 'tensor-spec': tensor.optional() })
  .transform(({ name, type, 'tensor-spec': spec }): SignatureColumn => {
    const width = spec && spec.shape.length > 1 ? spec.shape[1] : 1
    return { name, type: spec?.dtype ?? type, width: width !== undefined && width > 0 ? width : undefined }
  })
// A signature is JSON in a text of the YAML.
const columns = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown
    } catch {
      context.addIssue({ code: 'custom', message: 'must be JSON' })
      return z.NEVER
    }
  })
  .pipe(z.array(signatureColumn).min(1))

const mlmodel = z.object({
  flavors: z.object({ onnx: z.object({ data: localPath.default('model.onnx') }).optional() }).catchall(z.unknown()),
  signature: z.object({ inputs: columns.nullish() }).nullish(),
  saved_input_example_info: z.object({ artifact_path: localPath }).nullish(),
})

/** Reads an MLmodel file. @throws MlflowError where it is not one, or the model has no onnx flavour */
export function readMlmodel(text: string): Mlmodel {
  if (text.length > MAX_BYTES) throw new MlflowError('TOO_LARGE', `MLmodel has more than ${MAX_BYTES} characters.`)
  const { data, error } = mlmodel.safeParse(yamlOf(text))
  if (!data) {
    const problems = error.issues.map(({ path, message }) => `${path.join('.')} ${message}`)
    throw new MlflowError('UNSUPPORTED', `MLmodel cannot be understood: ${problems.slice(0, 3).join('; ')}.`)
  }
  const { onnx, ...others } = data.flavors
  if (!onnx) {
    const flavours = Object.keys(others).join(', ') || 'none'
    throw new MlflowError('UNSUPPORTED', `The version has no onnx flavour (${flavours}). Log it with mlflow.onnx.log_model.`)
  }
  return {
    graph: onnx.data,
    signature: data.signature?.inputs ?? undefined,
    inputExample: data.saved_input_example_info?.artifact_path,
  }
}

function yamlOf(text: string): unknown {
  try {
    // Aliases could make a few lines a document of gigabytes.
    return parse(text, { maxAliasCount: 0, logLevel: 'error' })
  } catch {
    throw new MlflowError('UNSUPPORTED', 'MLmodel is not YAML that riskgate reads.')
  }
}
