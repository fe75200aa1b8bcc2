import { parse } from 'csv-parse/sync'
import { parsePythonJson } from '../files/pythonJson.js'
import { withoutMark } from '../files/readFiles.js'

export type Cell = string | number | boolean | null

/** Rows of a file, with the probability that the model's own library gave each. */
export interface SampleRows {
  /** The names of the features, in the order of the file. */
  readonly columns: readonly string[]
  readonly rows: readonly SampleRow[]
  /** The column of a CSV file that holds the probabilities. */
  readonly probabilityColumn?: string
}

/** The cells of a CSV file are texts; null where a value is missing. */
export interface SampleRow {
  readonly cells: Readonly<Record<string, Cell>>
  readonly probability: number
  /** Texts as the file has them, where the cell is another: "none" counts as missing, and outer spaces do not count. */
  readonly written?: Readonly<Record<string, string>>
  /** Whether the loan defaulted, where that is known. */
  readonly defaulted?: boolean
}

const PROBABILITY_COLUMNS = ['probability', 'probability_of_default', 'pd', 'p', 'score', 'y_prob', 'proba', 'prediction']
// What pandas, R, SQL and spreadsheets write for a value that is not there.
const MISSING = new Set(['', 'na', 'n/a', 'nan', 'null', 'none', '<na>', '\\n', '#n/a'])

/**
 * Reads a CSV file with a header, or lines of JSON in the form of golden.jsonl. `probabilityColumn` names the column of a CSV file
 * that holds the probabilities; without it a usual name is looked for.
 * @throws Error with a sentence where the file cannot be understood
 */
export function readSample(text: string, isJson: boolean, probabilityColumn?: string): SampleRows {
  const sample = isJson ? readJsonLines(withoutMark(text)) : readCsv(withoutMark(text), probabilityColumn)
  if (sample.rows.length === 0) throw new Error('The rows file holds no rows.')
  for (const [i, { probability }] of sample.rows.entries()) {
    if (Number.isNaN(probability)) throw new Error(`Row ${i + 1} of the rows file has no probability.`)
    if (probability < 0 || probability > 1) throw new Error(`Row ${i + 1} of the rows file has no probability from 0 to 1.`)
  }
  return sample
}

function readJsonLines(text: string): SampleRows {
  const rows = text.split('\n').flatMap((line, i) => {
    if (line.trim() === '') return []
    const { features, probability, defaulted } = parseLine(line, i + 1)
    return [{ cells: features, probability, ...(typeof defaulted === 'boolean' && { defaulted }) }]
  })
  return { columns: namesInOrder(rows.map(({ cells }) => Object.keys(cells))), rows }
}

/** All names in one order. Rows leave missing values out: each new name comes after the one that precedes it in its row. */
function namesInOrder(rows: readonly (readonly string[])[]): string[] {
  const names: string[] = []
  for (const row of [...rows].sort((a, b) => b.length - a.length)) {
    for (const [i, name] of row.entries()) {
      if (!names.includes(name)) names.splice(i === 0 ? 0 : names.indexOf(row[i - 1] as string) + 1, 0, name)
    }
  }
  return names
}

interface Line {
  readonly features: Record<string, Cell>
  readonly probability: number
  readonly defaulted: unknown
}

function parseLine(line: string, number: number): Line {
  try {
    const { features, probability, defaulted } = parsePythonJson(line) as { [key in keyof Line]: unknown }
    if (typeof features === 'object' && features !== null)
      return { features: features as Line['features'], probability: probabilityOf(probability), defaulted }
  } catch {}
  throw new Error(`Line ${number} of the rows file is not {"features": {...}, "probability": ...}.`)
}

function readCsv(text: string, probabilityColumn: string | undefined): SampleRows {
  const header = text.slice(0, text.indexOf('\n'))
  const [delimiter = ','] = [',', ';', '\t'].sort((a, b) => header.split(b).length - header.split(a).length)
  const records = recordsOf(text, delimiter, true)
  const untrimmed = untrimmedRecordsOf(text, delimiter)
  const names = Object.keys(records[0] ?? {})
  const probability = probabilityColumn ?? usualColumn(names)
  if (probability === undefined || !names.includes(probability)) {
    throw new Error('The rows file has no column of probabilities. Name it with --probability.')
  }
  // pandas writes its index as a first column without a name.
  const columns = names.filter(name => name !== probability && name !== '')
  const rows = records.map((record, i) => {
    const cells = Object.fromEntries(columns.map(name => [name, presentOf(record[name] ?? '')]))
    const texts = untrimmed[i] ?? record
    const others = columns.flatMap(name => {
      const text = texts[name] ?? ''
      return text.trim() === '' || text === cells[name] ? [] : [[name, text]]
    })
    return {
      cells,
      probability: probabilityOf(record[probability]),
      ...(others.length > 0 && { written: Object.fromEntries(others) }),
    }
  })
  return { columns, rows, probabilityColumn: probability }
}

type CsvRecord = Readonly<Record<string, string>>

function recordsOf(text: string, delimiter: string, trim: boolean): CsvRecord[] {
  const columns = (names: string[]) => names.map(name => name.trim())
  return parse(text, { columns, delimiter, skip_empty_lines: true, trim })
}

/** None where the file has spaces around quoted cells: there they are no part of the texts. */
function untrimmedRecordsOf(text: string, delimiter: string): CsvRecord[] {
  try {
    return recordsOf(text, delimiter, false)
  } catch {
    return []
  }
}

/** By the order of the usual names, not of the file: a score or p may be a feature beside the probability. */
function usualColumn(names: readonly string[]): string | undefined {
  for (const usual of PROBABILITY_COLUMNS) {
    const found = names.find(name => name.toLowerCase() === usual)
    if (found !== undefined) return found
  }
  return undefined
}

function presentOf(text: string): string | null {
  return MISSING.has(text.toLowerCase()) ? null : text
}

/** NaN where there is none: an empty cell, null and false would be 0, and true would be 1. */
function probabilityOf(value: unknown): number {
  const isPresent = typeof value === 'number' || (typeof value === 'string' && value.trim() !== '')
  return isPresent ? Number(value) : Number.NaN
}
