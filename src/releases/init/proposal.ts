import type { FeatureKind } from '../../scoring/contract.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { GraphInput } from '../../scoring/manifest.js'
import type { GraphMetadata } from '../../scoring/onnx/graphForm.js'
import { featureValueOf, kindOf } from './featureKinds.js'
import { featureName, featureNames } from './featureNames.js'
import type { Cell, SampleRow, SampleRows } from './sampleRows.js'

/** How the categories of a text feature became numbers in the training. Libraries do it in one of these orders. */
export const CODE_ORDERS = ['sorted', 'first seen'] as const
export type CodeOrder = (typeof CODE_ORDERS)[number]

export interface ProposedFeature {
  readonly name: string
  readonly kind: FeatureKind
  readonly required: boolean
  readonly description: string
  readonly minimum?: number
  readonly maximum?: number
  readonly categories?: readonly string[]
}

/** A feature, the column of the rows file that it comes from, and the input of the graph that takes it. */
interface Source {
  readonly column: string
  readonly feature: ProposedFeature
  readonly input: { readonly name: string; readonly type: GraphInput['type'] }
}

/** What a contract and a manifest are made from. */
export interface Proposal {
  readonly features: readonly ProposedFeature[]
  readonly inputs: (order: CodeOrder) => GraphInput[]
  readonly featuresOf: (row: SampleRow) => FeatureValues
  /** Columns of categories that the graph takes as numbers, and whose order nobody gave. */
  readonly guessed: readonly string[]
}

const INT32 = 2 ** 31
const TYPES: readonly string[] = [
  'float32',
  'float64',
  'float16',
  'int32',
  'int64',
  'bool',
  'string',
] satisfies GraphInput['type'][]

/** The categories of a column in the order of their codes, from 0. */
export type GivenCodes = ReadonlyMap<string, readonly string[]>

/** Proposes features for the inputs of a graph. @throws Error with a sentence where columns and inputs do not fit together */
export function propose(graph: GraphMetadata, sample: SampleRows, given: GivenCodes = new Map()): Proposal {
  const taken = columnsOf(graph, sample.columns)
  const names = featureNames(taken.map(({ column }) => column))
  const sources = taken.map(({ column, input }): Source => {
    const values = valuesOf(sample, column)
    return { column, input, feature: proposeFeature(names.get(column) as string, column, input.type, values, given.get(column)) }
  })
  return {
    features: sources.map(({ feature }) => feature),
    inputs: order =>
      inputsOf(graph, sources, source => given.get(source.column) ?? categoriesOf(valuesOf(sample, source.column), order)),
    featuresOf: ({ cells }) =>
      Object.fromEntries(
        sources.flatMap(({ column, feature }) => {
          const cell = cells[column] ?? null
          return cell === null ? [] : [[feature.name, featureValueOf(feature.kind, cell)]]
        }),
      ),
    guessed: sources.filter(source => isCoded(source) && !given.has(source.column)).map(({ column }) => column),
  }
}

function proposeFeature(
  name: string,
  column: string,
  type: GraphInput['type'],
  values: readonly Cell[],
  given: readonly string[] | undefined,
): ProposedFeature {
  const kind = given ? 'CATEGORY' : kindOf(type, values)
  const feature = { name, kind, required: !values.includes(null), description: column }
  if (kind === 'CATEGORY') return { ...feature, categories: given ?? categoriesOf(values, 'sorted') }
  return type === 'int32' && kind === 'INTEGER' ? { ...feature, minimum: -INT32, maximum: INT32 - 1 } : feature
}

/** The columns in the order in which the graph takes them. */
function columnsOf(graph: GraphMetadata, columns: readonly string[]): Pick<Source, 'column' | 'input'>[] {
  const inputs = graph.inputMetadata.map(({ name, type, shape = [] }) => {
    if (type === undefined || !TYPES.includes(type)) throw new Error(`The input ${name} of the graph is ${type ?? 'no tensor'}.`)
    const width = shape.length === 1 ? 1 : shape[1]
    return { name, type: type as GraphInput['type'], width: typeof width === 'number' && width > 0 ? width : undefined }
  })
  const [only] = inputs
  if (inputs.length === 1 && only) {
    refuseOther(only.width ?? columns.length, columns)
    return columns.map(column => ({ column, input: only }))
  }
  const named = inputs.map(input =>
    columns.find(column => column === input.name || featureName(column) === featureName(input.name)),
  )
  if (named.every(column => column !== undefined)) return inputs.map((input, i) => ({ column: named[i] as string, input }))
  const wide = inputs.flatMap(input => Array.from({ length: input.width ?? 1 }, () => input))
  refuseOther(wide.length, columns)
  return wide.map((input, i) => ({ column: columns[i] as string, input }))
}

function refuseOther(width: number, columns: readonly string[]): void {
  if (columns.length === width) return
  throw new Error(
    `The graph takes ${width} features, and the rows file has ${columns.length}: ${columns.join(', ')}. ` +
      'Leave out those that the model does not take with --drop.',
  )
}

function inputsOf(
  graph: GraphMetadata,
  sources: readonly Source[],
  codeOrder: (source: Source) => readonly string[],
): GraphInput[] {
  return graph.inputMetadata.map(({ name }) => {
    const taken = sources.filter(({ input }) => input.name === name)
    const type = (taken[0] as Source).input.type
    return { name, type, columns: taken.map(source => columnOf(source, codeOrder)) }
  })
}

function columnOf(source: Source, codeOrder: (source: Source) => readonly string[]): GraphInput['columns'][number] {
  const { feature, input } = source
  const needsMissing = !feature.required && ['string', 'int32', 'int64', 'bool'].includes(input.type)
  const missing = needsMissing ? { missing: input.type === 'string' ? '' : 0 } : {}
  if (!isCoded(source)) return { feature: feature.name, ...missing }
  const codes = Object.fromEntries(codeOrder(source).map((category, code) => [category, code]))
  return { feature: feature.name, codes, ...missing }
}

function valuesOf({ rows }: SampleRows, column: string): Cell[] {
  return rows.map(({ cells }) => cells[column] ?? null)
}

function isCoded({ feature, input }: Source): boolean {
  return feature.kind === 'CATEGORY' && input.type !== 'string'
}

function categoriesOf(values: readonly Cell[], order: CodeOrder): string[] {
  const seen = [...new Set(values.flatMap(value => (value === null ? [] : [String(value)])))]
  return order === 'sorted' ? seen.sort() : seen
}
