import type { GraphUse } from '../manifest.js'

/** What the runtime tells of an input or output: a size that the graph leaves open is a name, often an empty one. */
interface Metadata {
  readonly name: string
  readonly isTensor: boolean
  readonly type?: string
  readonly shape?: readonly (number | string)[]
}

export interface GraphMetadata {
  readonly inputMetadata: readonly Metadata[]
  readonly outputMetadata: readonly Metadata[]
}

const PROBABILITY_TYPES = ['float32', 'float64', 'float16']

export interface OutputNames {
  /** The tensor that is read. */
  readonly tensor: string
  /** The names of all outputs as the file gives them. */
  readonly offered: readonly string[]
}

/** Sentences that say where a graph has another form than its manifest, or one that can never answer; none when it fits. */
export function formProblems(graph: GraphMetadata, { inputs, output }: GraphUse, names: OutputNames): string[] {
  const described = new Map(inputs.map(input => [input.name, input]))
  const problems = graph.inputMetadata.flatMap(actual => {
    const input = described.get(actual.name)
    described.delete(actual.name)
    if (!input) return [`its input ${actual.name} is not in the manifest`]
    const wanted = `${input.type} [N, ${input.columns.length}]`
    const form = inputForm(actual, input.columns.length)
    return form === wanted ? rowsProblem(actual) : [`its input ${actual.name} is ${form}, in the manifest ${wanted}`]
  })
  for (const name of described.keys()) problems.push(`it has no input ${name}`)
  const answer = graph.outputMetadata.find(({ name }) => name === names.tensor)
  const outputProblem = answer
    ? answerProblem(answer, output)
    : `it has no output ${output.name}; its outputs are ${names.offered.join(', ')}`
  return outputProblem === undefined ? problems : [...problems, outputProblem]
}

/** Whether the graph was exported for exactly one row, perhaps without a dimension for rows. Such a graph is run row by row. */
export function takesOneRow({ inputMetadata }: GraphMetadata): boolean {
  return inputMetadata.some(input => fixedRows(input) === 1 || isSingleRow(input))
}

/** The names of inputs with a single dimension. */
export function flatInputs({ inputMetadata }: GraphMetadata): ReadonlySet<string> {
  return new Set(inputMetadata.filter(({ shape }) => shape?.length === 1).map(({ name }) => name))
}

/**
 * For example float32 [N, 23]. A width that the graph leaves open is the one that the manifest gives. An input with a single
 * dimension holds a column of all rows, or all columns of a single row.
 */
function inputForm(input: Metadata, columns: number): string {
  const { isTensor, type, shape = [] } = input
  if (!isTensor) return 'no tensor'
  if (isSingleRow(input)) return `${type} [N, ${shape[0]}]`
  const widths = shape.length === 0 ? [columns] : shape.length === 1 ? [1] : shape.slice(1)
  return `${type} [${['N', ...widths.map(width => (isFixed(width) ? width : columns))].join(', ')}]`
}

function rowsProblem(input: Metadata): string[] {
  const rows = fixedRows(input)
  if (rows === undefined || rows === 1 || isSingleRow(input)) return []
  return [`its input ${input.name} takes exactly ${rows} rows a run; export the graph with a free number of rows`]
}

function isSingleRow({ shape = [] }: Metadata): boolean {
  return shape.length === 1 && isFixed(shape[0])
}

function answerProblem({ isTensor, type, shape = [] }: Metadata, output: GraphUse['output']): string | undefined {
  const { name, column } = output
  if (!isTensor) return `its output ${name} is no tensor; name the output that holds the probabilities`
  if (!PROBABILITY_TYPES.some(known => known === type)) {
    return `its output ${name} is ${type}; name the output that holds the probabilities, as floating-point numbers`
  }
  const sizes = shape.slice(1)
  if (shape.length === 0 || !sizes.every(isFixed) || isFixed(shape[0])) return undefined
  const width = sizes.reduce((product, size) => product * size, 1)
  if (column < width) return undefined
  return `its output ${name} has ${width} column(s), counted from 0, and the manifest names column ${column}`
}

function fixedRows({ shape = [] }: Metadata): number | undefined {
  return isFixed(shape[0]) ? shape[0] : undefined
}

function isFixed(size: number | string | undefined): size is number {
  return typeof size === 'number' && size > 0
}
