import { z } from 'zod'
import { canonicalText } from './canonicalText.js'
import type { FeatureContract, ModelContract } from './contract.js'

const column = z.strictObject({
  feature: z.string(),
  /** One-hot: 1 where the category equals this, else 0. */
  equals: z.string().overwrite(canonicalText).optional(),
  /** The value that replaces a missing one; by default NaN for a number and 0 for a one-hot column. */
  missing: z.union([z.number(), z.string()]).optional(),
})

const input = z.strictObject({
  name: z.string().min(1),
  type: z.enum(['float32', 'float64', 'int64', 'string']),
  columns: z.array(column).min(1),
})

const cutoffs = z
  .array(z.number().gt(0).lt(1))
  .length(7)
  .refine(values => values.every((value, i) => i === 0 || value > (values[i - 1] as number)), 'must rise from T1 to T8')

/** The shape of models/<name>/<version>/manifest.json: how features become the graph's inputs, and what its output means. */
export const manifestSchema = z.object({
  model: z.string(),
  version: z.string().regex(/^[A-Za-z0-9][\w.-]{0,62}$/, 'must be a short name such as 3 or 2026-11.1'),
  algorithm: z.string(),
  createdAt: z.iso.datetime(),
  onnx: z.strictObject({
    file: z.string().regex(/^[\w.-]+$/, 'must be a file beside the manifest'),
    sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hexadecimal digits'),
    inputs: z.array(input).min(1),
    output: z.strictObject({ name: z.string(), column: z.number().int().min(0) }),
  }),
  bands: z.strictObject({ cutoffs, highRiskFrom: z.enum(['T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8']) }),
  metrics: z.array(z.strictObject({ name: z.string(), value: z.number(), dataset: z.string() })),
})

export type ModelManifest = z.infer<typeof manifestSchema>
export type GraphInput = ModelManifest['onnx']['inputs'][number]

/** Sentences that say where a version does not fit its contract; none when it does. */
export function contractViolations(manifest: ModelManifest, contract: ModelContract): string[] {
  const features = new Map(contract.features.map(feature => [feature.name, feature]))
  const violations = manifest.onnx.inputs.flatMap(({ name, type, columns }) =>
    columns.flatMap(({ feature: wanted, equals, missing }) => {
      const feature = features.get(wanted)
      const at = `input ${name}, column ${wanted}`
      if (!feature) return [`${at}: the contract has no such feature`]
      if (equals !== undefined && !(feature.kind === 'CATEGORY' && feature.categories.includes(equals)))
        return [`${at}: ${equals} is not one of its categories`]
      if (type === 'int64' && equals === undefined && !fitsInt64(feature))
        return [`${at}: an int64 takes a BOOLEAN, or an INTEGER with minimum and maximum`]
      if (type === 'int64' && missing !== undefined && !Number.isSafeInteger(missing))
        return [`${at}: its value for missing is not a whole number`]
      const isText = feature.kind === 'CATEGORY' && equals === undefined
      if (isText !== (type === 'string')) return [`${at}: a ${feature.kind} does not fit an input of type ${type}`]
      if (missing !== undefined && (typeof missing === 'string') !== isText)
        return [`${at}: its value for missing does not have the type of the input`]
      const needsMissing = !feature.required && (isText || type === 'int64') && equals === undefined
      return needsMissing && missing === undefined ? [`${at}: set "missing", the value that replaces a missing one`] : []
    }),
  )
  if (manifest.model !== contract.name) violations.push(`it is a version of ${manifest.model}, not of ${contract.name}`)
  return violations
}

/**
 * Whether an int64 can hold every value: it has no fractions, and a number past its range would silently wrap around to another
 * one.
 */
function fitsInt64(feature: FeatureContract): boolean {
  if (feature.kind === 'BOOLEAN') return true
  if (feature.kind !== 'INTEGER') return false
  return Number.isSafeInteger(feature.minimum) && Number.isSafeInteger(feature.maximum)
}
