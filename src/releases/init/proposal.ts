import type { FeatureKind } from '../../scoring/contract.js'
import type { FeatureValues } from '../../scoring/features.js'
import type { GraphInput } from '../../scoring/manifest.js'
import type { GraphMetadata } from '../../scoring/onnx/graphForm.js'
import { columnsNamedLike } from './columnsNamedLike.js'
import { featureValueOf, kindOf } from './featureKinds.js'
import { featureNames } from './featureNames.js'
import type { Cell, SampleRow, SampleRows } from './sampleRows.js'

/** How the categories of a text feature became numbers in the training. Libraries do it in one of these orders. */
const CODE_ORDERS = ['sorted', 'first seen'] as const
type CodeOrder = (typeof CODE_ORDERS)[number]

export interface ProposedFeature {
  readonly name: string
  readonly kind: FeatureKind
  readonly required: boolean
  readonly description: string
  readonly minimum?: number
  readonly maximum?: number
  readonly categories?: readonly string[]
}

/** How a graph takes categories: as texts or as the numbers of codes, or one-hot, with or without the first of them. */
type Form = 'one column' | 'one-hot' | 'one-hot without the first'

/** A column of the rows file, and the input of the graph that takes it. */
interface Taken {
  readonly column: string
  readonly input: { readonly name: string; readonly type: GraphInput['type'] }
  readonly form: Form
}

interface Source extends Taken {
  readonly feature: ProposedFeature
}

/** What a contract and a manifest are made from. */
export interface Proposal {
  readonly features: readonly ProposedFeature[]
  /** All ways in which the graph may take the features: which is right, only its answers tell. */
  readonly candidates: readonly GraphInput[][]
  readonly featuresOf: (row: Pick<SampleRow, 'cells'>) => FeatureValues
  /** Columns of categories that the graph takes as numbers, and whose order nobody gave. */
  readonly guessed: readonly string[]
  /** Columns that the graph takes as texts. */
  readonly texts: readonly string[]
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
  const taken = takenColumns(graph, sample, given)
  const names = featureNames(taken.map(({ column }) => column))
  const sources = taken.map((source): Source => {
    const { column, input } = source
    const values = valuesOf(sample, column)
    return { ...source, feature: proposeFeature(names.get(column) as string, column, input.type, values, given.get(column)) }
  })
  const guessed = sources.filter(source => isOfCategories(source) && !given.has(source.column)).map(({ column }) => column)
  const orders = guessed.length > 0 ? CODE_ORDERS : CODE_ORDERS.slice(0, 1)
  const categories = (order: CodeOrder) => (column: string) => given.get(column) ?? categoriesOf(valuesOf(sample, column), order)
  return {
    features: sources.map(({ feature }) => feature),
    candidates: placesOf(sources).flatMap(placed => orders.map(order => inputsOf(graph, placed, categories(order)))),
    featuresOf: ({ cells }) =>
      Object.fromEntries(
        sources.flatMap(({ column, feature }) => {
          const cell = cells[column] ?? null
          return cell === null ? [] : [[feature.name, featureValueOf(feature.kind, cell)]]
        }),
      ),
    guessed,
    texts: sources.filter(({ input }) => input.type === 'string').map(({ column }) => column),
  }
}

/** pandas puts one-hot columns behind all others; most pipelines put them in place of the category. */
function placesOf(sources: readonly Source[]): (readonly Source[])[] {
  const isOneHot = ({ form }: Source) => form !== 'one column'
  if (!sources.some(isOneHot)) return [sources]
  return [sources, [...sources.filter(source => !isOneHot(source)), ...sources.filter(isOneHot)]]
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
function takenColumns(graph: GraphMetadata, sample: SampleRows, given: GivenCodes): Taken[] {
  const { columns } = sample
  const inputs = graph.inputMetadata.map(({ name, type, shape = [] }) => {
    if (type === undefined || !TYPES.includes(type)) throw new Error(`The input ${name} of the graph is ${type ?? 'no tensor'}.`)
    const width = shape.length === 1 ? 1 : shape[1]
    return { name, type: type as GraphInput['type'], width: typeof width === 'number' && width > 0 ? width : undefined }
  })
  const form = 'one column'
  const [only] = inputs
  if (inputs.length === 1 && only) {
    const { width = columns.length } = only
    if (width > columns.length && only.type !== 'string') return oneHotColumns({ ...only, width }, sample, given)
    refuseOther(width, columns)
    return columns.map(column => ({ column, input: only, form }))
  }
  const named = columnsNamedLike(
    inputs.map(({ name }) => name),
    columns,
  )
  if (named.every(column => column !== undefined)) return inputs.map((input, i) => ({ column: named[i] as string, input, form }))
  const wide = inputs.flatMap(input => Array.from({ length: input.width ?? 1 }, () => input))
  refuseOther(wide.length, columns)
  return wide.map((input, i) => ({ column: columns[i] as string, input, form }))
}

/** A graph that takes more numbers than there are columns takes categories one-hot. */
function oneHotColumns(input: Taken['input'] & { readonly width: number }, sample: SampleRows, given: GivenCodes): Taken[] {
  const { columns } = sample
  const categories = columns.map(column => {
    const values = valuesOf(sample, column)
    const isCategory = given.has(column) || kindOf(input.type, values) === 'CATEGORY'
    return isCategory ? (given.get(column) ?? categoriesOf(values, 'sorted')).length : undefined
  })
  const widthOf = (less: number) => categories.reduce<number>((sum, count) => sum + (count === undefined ? 1 : count - less), 0)
  const less = [0, 1].find(less => widthOf(less) === input.width)
  if (less === undefined) {
    throw new Error(
      `The graph takes ${input.width} numbers, and the rows file has ${columns.length} columns, or ${widthOf(0)} with a column for each ` +
        'category. The rows must have all columns that the model takes, and each of their categories.',
    )
  }
  const form = less === 0 ? 'one-hot' : 'one-hot without the first'
  return columns.map((column, i) => ({ column, input, form: categories[i] === undefined ? 'one column' : form }))
}

function refuseOther(width: number, columns: readonly string[]): void {
  if (columns.length === width) return
  throw new Error(
    `The graph takes ${width} features, and the rows file has ${columns.length}: ${columns.join(', ')}. ` +
      'Leave out those that the model does not take with --drop.',
  )
}

type CategoriesOf = (column: string) => readonly string[]

function inputsOf(graph: GraphMetadata, sources: readonly Source[], categories: CategoriesOf): GraphInput[] {
  return graph.inputMetadata.map(({ name }) => {
    const taken = sources.filter(({ input }) => input.name === name)
    const type = (taken[0] as Source).input.type
    return { name, type, columns: taken.flatMap(source => inputColumns(source, categories)) }
  })
}

function inputColumns(source: Source, categories: CategoriesOf): GraphInput['columns'] {
  const { feature, input, form, column } = source
  if (form !== 'one column') {
    const shown = categories(column).slice(form === 'one-hot' ? 0 : 1)
    return shown.map(equals => ({ feature: feature.name, equals }))
  }
  const needsMissing = !feature.required && ['string', 'int32', 'int64', 'bool'].includes(input.type)
  const missing = needsMissing ? { missing: input.type === 'string' ? '' : 0 } : {}
  if (!isOfCategories(source)) return [{ feature: feature.name, ...missing }]
  const codes = Object.fromEntries(categories(column).map((category, code) => [category, code]))
  return [{ feature: feature.name, codes, ...missing }]
}

function valuesOf({ rows }: SampleRows, column: string): Cell[] {
  return rows.map(({ cells }) => cells[column] ?? null)
}

/** Whether the graph knows its categories by numbers or places, not by their texts. */
function isOfCategories({ feature, input }: Source): boolean {
  return feature.kind === 'CATEGORY' && input.type !== 'string'
}

function categoriesOf(values: readonly Cell[], order: CodeOrder): string[] {
  const seen = [...new Set(values.flatMap(value => (value === null ? [] : [String(value)])))]
  return order === 'sorted' ? seen.sort() : seen
}
