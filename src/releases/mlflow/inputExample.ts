import { z } from 'zod'
import { parsePythonJson } from '../files/pythonJson.js'
import type { Cell } from '../init/sampleRows.js'

// An infinite number is no number of the contract, and is left out like a missing one.
const cell = z.preprocess(
  value => (value === Number.POSITIVE_INFINITY || value === Number.NEGATIVE_INFINITY ? null : value),
  z.union([z.string(), z.number(), z.boolean(), z.null()]),
)
/** How MLflow saves the first rows of a pandas frame. */
const table = z.object({ columns: z.array(z.string()).min(1), data: z.array(z.array(cell)).min(1) })

/**
 * The rows of an input example as CSV, in the form that `model init` reads; undefined where it is not a table. MLflow writes a missing
 * value as null or as a bare NaN.
 */
export function csvOfExample(text: string): string | undefined {
  let json: unknown
  try {
    json = parsePythonJson(text)
  } catch {
    return undefined
  }
  const { data: example } = table.safeParse(json)
  if (!example || example.data.some(row => row.length !== example.columns.length)) return undefined
  return [example.columns, ...example.data].map(row => `${row.map(quoted).join(',')}\n`).join('')
}

function quoted(value: Cell): string {
  return value === null ? '' : `"${String(value).replaceAll('"', '""')}"`
}
