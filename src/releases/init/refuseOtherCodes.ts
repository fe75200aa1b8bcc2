import { canonicalText } from '../../scoring/canonicalText.js'
import type { GivenCodes } from './proposal.js'
import type { SampleRows } from './sampleRows.js'

/** @throws Error where codes are given for a column that the model does not take, or a category of the rows has none */
export function refuseOtherCodes(codes: GivenCodes, { columns, rows }: SampleRows): void {
  for (const [column, categories] of codes) {
    if (!columns.includes(column))
      throw new Error(`--codes ${column}: the model takes no such column of the rows file. It takes ${columns.join(', ')}.`)
    const given = new Set(categories.map(canonicalText))
    const cells = new Set(rows.map(({ cells }) => cells[column] ?? null))
    const lacking = [...cells].filter(cell => cell !== null && !given.has(canonicalText(String(cell))))
    if (lacking.length > 0)
      throw new Error(`--codes ${column}: name all categories. The rows also have ${lacking.slice(0, 10).join(', ')}.`)
  }
}
