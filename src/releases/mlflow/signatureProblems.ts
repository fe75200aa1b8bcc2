import type { FeatureKind, ModelContract } from '../../scoring/contract.js'
import { featureNames } from '../init/featureNames.js'
import type { SignatureColumn } from './mlmodel.js'

const NUMBERS: readonly FeatureKind[] = ['NUMBER', 'INTEGER', 'BOOLEAN', 'CATEGORY']

/** The kinds of features that a column of a type can take. A number may stand for a Boolean, or be the code of a category. */
const KINDS: Readonly<Record<string, readonly FeatureKind[]>> = {
  string: ['CATEGORY'],
  str: ['CATEGORY'],
  object: ['CATEGORY'],
  boolean: ['BOOLEAN'],
  bool: ['BOOLEAN'],
  integer: ['INTEGER', 'BOOLEAN', 'CATEGORY'],
  int32: ['INTEGER', 'BOOLEAN', 'CATEGORY'],
  // Also whole numbers among the columns of a table that becomes one tensor of numbers.
  long: NUMBERS,
  int64: NUMBERS,
  float: NUMBERS,
  double: NUMBERS,
  float16: NUMBERS,
  float32: NUMBERS,
  float64: NUMBERS,
}

/** The names of the columns, in the order in which the graph takes them; undefined where a signature does not name each. */
export function namesOf(signature: readonly SignatureColumn[] | undefined): readonly string[] | undefined {
  const names = signature?.map(({ name, width }) => (width === 1 ? name : undefined))
  return names?.every(name => name !== undefined) ? names : undefined
}

/** Sentences that say where a signature does not fit the contract by name, type or order; none where it does. */
export function signatureProblems(signature: readonly SignatureColumn[], { features }: ModelContract): string[] {
  const names = namesOf(signature)
  if (names === undefined) return widthProblems(signature, features.length)
  const featureOf = featureNames(names)
  const wanted = features.map(({ name }) => name)
  const given = names.map(name => featureOf.get(name) as string)
  const missing = wanted.filter(name => !given.includes(name))
  const unknown = given.filter(name => !wanted.includes(name))
  const problems = [
    ...missing.map(name => `the signature lacks the feature ${name} of the contract`),
    ...unknown.map(name => `the contract has no feature ${name}, which the signature has`),
    ...signature.flatMap(({ type }, i) => {
      const feature = features.find(({ name }) => name === given[i])
      if (!feature || KINDS[type]?.includes(feature.kind)) return []
      return [`${feature.name} is ${type} in the signature, which does not fit ${feature.kind} in the contract`]
    }),
  ]
  const at = wanted.findIndex((name, i) => name !== given[i])
  if (problems.length > 0 || at < 0) return problems
  return [
    `column ${at + 1} is ${given[at]} in the signature and ${wanted[at]} in the contract; a column in another place is a usual mistake`,
  ]
}

/** A signature of tensors without names tells only how many numbers the graph takes. */
function widthProblems(signature: readonly SignatureColumn[], features: number): string[] {
  const width = signature.reduce<number | undefined>(
    (sum, column) => (sum === undefined || column.width === undefined ? undefined : sum + column.width),
    0,
  )
  if (width === undefined || width === features) return []
  return [`the signature takes ${width} features, and the contract has ${features}`]
}
