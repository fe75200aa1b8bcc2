import type { FeatureContract, ModelContract } from '../../scoring/contract.js'
import type { FeatureValue, FeatureValues } from '../../scoring/features.js'
import { type OnnxModel, probabilityOf } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import type { GoldenRow } from './goldenRows.js'

const MOST_NAMED = 8

/** An edge of what the contract allows for one feature; undefined means that the feature is missing. */
interface Edge {
  readonly feature: string
  readonly value: FeatureValue | undefined
}

/** An application at each edge of what the contract allows, each otherwise like the first golden row. */
export function applicationsAtEdges(contract: ModelContract, golden: readonly GoldenRow[]): FeatureValues[] {
  const base = golden[0]?.features ?? plainApplication(contract)
  return [base, ...edgesOf(contract).map(edge => reaching(edge, base))]
}

/** Sentences that say where a graph gives no probability for an application that the contract allows. */
export async function probeProblems(
  model: Pick<OnnxModel, 'run'>,
  contract: ModelContract,
  golden: readonly GoldenRow[],
): Promise<string[]> {
  const [base = {}, ...atEdges] = applicationsAtEdges(contract, golden)
  const says = await failure(model, base)
  if (says !== undefined) return [`the graph gives no probability: ${says}.`]
  const answers = await model.run(atEdges).catch(() => [])
  if (answers.length === atEdges.length && answers.every(isProbability)) return bareProblems(model, contract, base)
  const failures: string[] = []
  for (const [i, edge] of edgesOf(contract).entries()) {
    const says = await failure(model, atEdges[i] as FeatureValues)
    if (says !== undefined) failures.push(`${named(edge)} (${says})`)
  }
  if (failures.length === 0) return []
  return [`the contract allows applications for which the graph gives no probability: ${list(failures)}.`]
}

/** The application that leaves all optional features out at once: a graph may fail where several are missing. */
async function bareProblems(model: Pick<OnnxModel, 'run'>, contract: ModelContract, base: FeatureValues): Promise<string[]> {
  const required = contract.features.filter(feature => feature.required && feature.name in base)
  const bare = Object.fromEntries(required.map(({ name }) => [name, base[name] as FeatureValue]))
  const says = await failure(model, bare)
  return says === undefined ? [] : [`the graph gives no probability where all optional features are missing: ${says}.`]
}

/** A sentence that asks for golden rows at those edges of the contract that none of them reaches. */
export function coverageWarnings(contract: ModelContract, golden: readonly GoldenRow[]): string[] {
  const missing = edgesOf(contract).filter(({ feature, value }) => golden.every(row => row.features[feature] !== value))
  return missing.length === 0 ? [] : [`it should also have rows with ${list(missing.map(named))}.`]
}

/** Each optional feature missing, each bound, each category and both Booleans. */
function edgesOf({ features }: ModelContract): Edge[] {
  return features.flatMap(feature => {
    const values = extremesOf(feature).map(value => ({ feature: feature.name, value }))
    return feature.required ? values : [{ feature: feature.name, value: undefined }, ...values]
  })
}

function extremesOf(feature: FeatureContract): readonly FeatureValue[] {
  switch (feature.kind) {
    case 'BOOLEAN':
      return [false, true]
    case 'CATEGORY':
      return feature.categories
    case 'NUMBER':
    case 'INTEGER':
      return [feature.minimum, feature.maximum].filter(bound => bound !== undefined)
  }
}

function reaching({ feature, value }: Edge, base: FeatureValues): FeatureValues {
  const { [feature]: _, ...others } = base
  return value === undefined ? others : { ...others, [feature]: value }
}

/** An application with every feature, for a version that has no golden rows. */
function plainApplication({ features }: ModelContract): FeatureValues {
  return Object.fromEntries(features.map(feature => [feature.name, extremesOf(feature)[0] ?? 0]))
}

async function failure(model: Pick<OnnxModel, 'run'>, features: FeatureValues): Promise<string | undefined> {
  try {
    const [answer] = await model.run([features])
    return isProbability(answer as number) ? undefined : `it answers ${answer}`
  } catch (error) {
    return saidBy(error)
  }
}

function isProbability(answer: number): boolean {
  return probabilityOf(answer) !== undefined
}

function named({ feature, value }: Edge): string {
  return value === undefined ? `${feature} missing` : `${feature} = ${value}`
}

function list(texts: readonly string[]): string {
  const more = texts.length - MOST_NAMED
  return texts.slice(0, MOST_NAMED).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
