import { inputProblem, type Problem } from '../errors.js'
import { canonicalText } from './canonicalText.js'
import type { FeatureContract, ModelContract } from './contract.js'

export type FeatureValue = number | string | boolean

/** Checked features by name; a missing one has no entry. Numbers are finite, also as float32; categories are known ones. */
export type FeatureValues = Readonly<Record<string, FeatureValue>>

/** Features as a caller sent them: any field may be absent, null or out of its domain. */
export type RawFeatures = Readonly<Record<string, unknown>>

export type CheckedFeatures = { readonly values: FeatureValues } | { readonly problems: readonly Problem[] }

const MAX_SAFE = Number.MAX_SAFE_INTEGER

/** Checks every feature against the contract and reports all mistakes at once, one for each field. */
export function checkFeatures(raw: RawFeatures, contract: ModelContract): CheckedFeatures {
  const values: Record<string, FeatureValue> = {}
  const problems: Problem[] = []
  for (const feature of contract.features) {
    const given = raw[feature.name]
    // Rows from a file do not come through the door of the API.
    const value = typeof given === 'string' ? canonicalText(given) : given
    const mistake = mistakeIn(value, feature)
    if (mistake) problems.push(problemAt(['features', contract.inputField, feature.name], mistake))
    else if (value !== undefined && value !== null) values[feature.name] = value as FeatureValue
  }
  return problems.length > 0 ? { problems } : { values }
}

function mistakeIn(value: unknown, feature: FeatureContract): string | undefined {
  if (value === undefined || value === null) return feature.required ? 'is required' : undefined
  switch (feature.kind) {
    case 'BOOLEAN':
      return typeof value === 'boolean' ? undefined : 'must be true or false'
    case 'CATEGORY':
      return feature.categories.includes(value as string) ? undefined : `must be one of: ${feature.categories.join(', ')}`
    case 'NUMBER':
    case 'INTEGER':
      return mistakeInNumber(value, feature)
  }
}

function mistakeInNumber(value: unknown, { kind, minimum, maximum }: FeatureContract & { kind: 'NUMBER' | 'INTEGER' }) {
  if (typeof value !== 'number' || !Number.isFinite(value)) return 'must be a finite number'
  // Models compute in float32: 1e39 would reach them as Infinity and still be scored.
  if (!Number.isFinite(Math.fround(value))) return 'is too large for a 32-bit number'
  if (kind === 'INTEGER' && !Number.isInteger(value)) return 'must be a whole number'
  // JSON has rounded it.
  if (kind === 'INTEGER' && !Number.isSafeInteger(value)) return `must be between -${MAX_SAFE} and ${MAX_SAFE}`
  if (minimum !== undefined && value < minimum) return `must be at least ${minimum}`
  if (maximum !== undefined && value > maximum) return `must be at most ${maximum}`
  return undefined
}

export function problemAt(path: readonly string[], mistake: string): Problem {
  return inputProblem(`${path.at(-1)} ${mistake}.`, ...path)
}
