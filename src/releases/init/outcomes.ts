import type { GraphMetadata } from '../../scoring/onnx/graphForm.js'
import type { Cell, SampleRows } from './sampleRows.js'

const TRUE = /^(true|1)$/i
const TRUE_OR_FALSE = /^(true|false|1|0)$/i

/** The column that tells which loans defaulted; undefined where there is none, or the graph takes it as a feature. */
export function outcomeColumn(sample: SampleRows, graph: GraphMetadata): string | undefined {
  const isOutcome = (name: string) => name.toLowerCase() === 'defaulted'
  const column = sample.columns.find(isOutcome)
  if (column === undefined || graph.inputMetadata.some(({ name }) => isOutcome(name))) return undefined
  if (widthOf(graph) === sample.columns.length) return undefined
  return sample.rows.every(({ cells }) => isKnownOrMissing(cells[column] ?? null)) ? column : undefined
}

/** The rows with their outcomes, and a column less. */
export function withOutcomes(sample: SampleRows, column: string): SampleRows {
  const rows = sample.rows.map(row => {
    const cell = row.cells[column] ?? null
    return cell === null ? row : { ...row, defaulted: TRUE.test(String(cell)) }
  })
  return { ...sample, columns: sample.columns.filter(name => name !== column), rows }
}

function isKnownOrMissing(cell: Cell): boolean {
  return cell === null || TRUE_OR_FALSE.test(String(cell))
}

/** How many values the graph takes; NaN where it does not say so. */
function widthOf({ inputMetadata }: GraphMetadata): number {
  return inputMetadata.reduce((sum, { shape = [] }) => sum + (shape.length === 1 ? 1 : Number(shape[1])), 0)
}
