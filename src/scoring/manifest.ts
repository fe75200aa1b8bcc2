import { z } from 'zod'
import { canonicalText } from './canonicalText.js'
import type { FeatureContract, ModelContract } from './contract.js'

export const VERSION_NAME = /^[A-Za-z0-9][\w.-]{0,62}$/

const column = z.strictObject({
  feature: z.string(),
  /** One-hot: 1 where the category equals this, else 0. */
  equals: z.string().overwrite(canonicalText).optional(),
  /** The number of each category, as the library coded them in its training. */
  codes: z.record(z.string().overwrite(canonicalText), z.number()).optional(),
  /** The value that replaces a missing one; by default NaN for a number and 0 for a one-hot column. */
  missing: z.union([z.number(), z.boolean(), z.string()]).optional(),
})

const input = z.strictObject({
  name: z.string().min(1),
  type: z.enum(['float32', 'float64', 'float16', 'int32', 'int64', 'bool', 'string']),
  columns: z.array(column).min(1),
})

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits')
const fileName = z.string().regex(/^[\w-][\w.-]*$/, 'must be a file beside the manifest')

const cutoffs = z
  .array(z.number().gt(0).lt(1))
  .length(7)
  .refine(values => values.every((value, i) => i === 0 || value > (values[i - 1] as number)), 'must rise from T1 to T8')

/** The shape of models/<name>/<version>/manifest.json: how features become the graph's inputs, and what its output means. */
export const manifestSchema = z.object({
  model: z.string(),
  version: z.string().regex(VERSION_NAME, 'must be a short name such as 3 or 2026-11.1'),
  algorithm: z.string().optional(),
  createdAt: z.iso.datetime().optional(),
  onnx: z.strictObject({
    file: fileName,
    sha256: digest,
    /** Files beside the graph that hold its large tensors. */
    external: z.array(z.strictObject({ file: fileName, sha256: digest })).optional(),
    inputs: z.array(input).min(1),
    output: z.strictObject({ name: z.string(), column: z.number().int().min(0) }),
  }),
  /** Features that no column uses, and categories without a column of their own as `feature=category`. */
  unused: z.array(z.string()).optional(),
  bands: z.strictObject({ cutoffs, highRiskFrom: z.enum(['T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8']) }),
  metrics: z.array(z.strictObject({ name: z.string(), value: z.number(), dataset: z.string() })).default([]),
})

export type ModelManifest = z.infer<typeof manifestSchema>
/** How a graph is fed and read. */
export type GraphUse = Pick<ModelManifest['onnx'], 'inputs' | 'output'>
export type GraphInput = ModelManifest['onnx']['inputs'][number]
type InputType = GraphInput['type']
type Column = GraphInput['columns'][number]

/** Sentences that say where a version does not fit its contract; none when it does. */
export function contractViolations(manifest: ModelManifest, contract: ModelContract): string[] {
  const features = new Map(contract.features.map(feature => [feature.name, feature]))
  const violations = manifest.onnx.inputs.flatMap(({ name, type, columns }) =>
    columns.flatMap(column => {
      const feature = features.get(column.feature)
      const violation = feature ? columnViolation(column, type, feature) : 'the contract has no such feature'
      return violation === undefined ? [] : [`input ${name}, column ${column.feature}: ${violation}`]
    }),
  )
  if (manifest.model !== contract.name) violations.push(`it is a version of ${manifest.model}, not of ${contract.name}`)
  return violations
}

function columnViolation({ equals, codes, missing }: Column, type: InputType, feature: FeatureContract): string | undefined {
  const whole = WHOLE_NUMBERS[type]
  if (equals !== undefined && codes !== undefined) return 'it takes "equals" or "codes", not both'
  if (equals !== undefined && !(feature.kind === 'CATEGORY' && feature.categories.includes(equals)))
    return `${equals} is not one of its categories`
  const inCodes = codes && codesViolation(codes, whole, type, feature)
  if (inCodes) return inCodes
  const isText = feature.kind === 'CATEGORY' && equals === undefined && codes === undefined
  if (isText && type !== 'string') return `a CATEGORY does not fit an input of type ${type}; add "codes" or "equals"`
  if (!isText && type === 'string') return `a ${feature.kind} does not fit an input of type string`
  if (whole && feature.kind !== 'CATEGORY' && !fits(feature, whole)) return whole.takes
  if (missing === undefined) {
    const hasNoDefault = (isText || whole !== undefined) && equals === undefined
    return hasNoDefault && !feature.required ? 'set "missing", the value that replaces a missing one' : undefined
  }
  if ((typeof missing === 'string') !== isText) return 'its value for missing does not have the type of the input'
  return whole && !holds(whole, Number(missing)) ? `its value for missing is not one that ${type} can hold` : undefined
}

function codesViolation(
  codes: Readonly<Record<string, number>>,
  whole: WholeNumbers | undefined,
  type: InputType,
  feature: FeatureContract,
): string | undefined {
  if (feature.kind !== 'CATEGORY') return 'only a CATEGORY has codes'
  const forgotten = feature.categories.find(category => codes[category] === undefined)
  if (forgotten !== undefined) return `its codes have no number for ${forgotten}`
  const unknown = Object.keys(codes).find(category => !feature.categories.includes(category))
  if (unknown !== undefined) return `its codes have ${unknown}, which is not one of its categories`
  const impossible = whole && Object.values(codes).find(code => !holds(whole, code))
  return impossible === undefined ? undefined : `its code ${impossible} is not one that ${type} can hold`
}

interface WholeNumbers {
  readonly minimum: number
  readonly maximum: number
  readonly takes: string
}

/** The types of input that hold whole numbers only: another number would silently become one of them. */
const WHOLE_NUMBERS: Partial<Record<InputType, WholeNumbers>> = {
  bool: { minimum: 0, maximum: 1, takes: 'a bool takes a BOOLEAN, or an INTEGER with minimum 0 and maximum 1' },
  int32: {
    minimum: -(2 ** 31),
    maximum: 2 ** 31 - 1,
    takes: 'an int32 takes a BOOLEAN, or an INTEGER with minimum and maximum within 32 bits',
  },
  int64: {
    minimum: Number.MIN_SAFE_INTEGER,
    maximum: Number.MAX_SAFE_INTEGER,
    takes: 'an int64 takes a BOOLEAN or an INTEGER',
  },
}

function fits(feature: FeatureContract, whole: WholeNumbers): boolean {
  if (feature.kind === 'BOOLEAN') return true
  if (feature.kind !== 'INTEGER') return false
  // A whole number of an application is a safe integer, whatever its contract says.
  const { minimum = Number.MIN_SAFE_INTEGER, maximum = Number.MAX_SAFE_INTEGER } = feature
  return holds(whole, minimum) && holds(whole, maximum)
}

function holds({ minimum, maximum }: WholeNumbers, value: number): boolean {
  return Number.isInteger(value) && value >= minimum && value <= maximum
}
