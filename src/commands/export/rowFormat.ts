import { type Options, stringify } from 'csv-stringify/sync'
import type { ExportedPrediction } from '../../storage/predictions/exportReader.js'
import type { ExportFormat } from './exportFormat.js'
import { numberCell, type Spreadsheet, textCell, timeCell } from './spreadsheet.js'

/** Turns rows into text, in whole lines. */
export interface RowFormat {
  readonly header: string
  lines(rows: readonly ExportedPrediction[]): string
}

const COLUMNS = [
  'id',
  'applicantId',
  'model',
  'modelVersion',
  'probability',
  'band',
  'highRisk',
  'channel',
  'createdAt',
  'requestedBy',
  'defaulted',
  'outcomeObservedAt',
  'outcomeRecordedBy',
] as const satisfies readonly (keyof ExportedPrediction)[]

/** The format with these features; absent: without any features. */
export function rowFormat(format: ExportFormat, featureNames?: readonly string[], spreadsheet?: Spreadsheet): RowFormat {
  if (format === 'ndjson') return ndjson(featureNames !== undefined)
  return csv(spreadsheet ? spreadsheetOptions(spreadsheet) : PLAIN_OPTIONS, featureNames)
}

const PLAIN_OPTIONS: Options = {
  // A spreadsheet would run a reference or a channel that begins with = as a formula.
  escape_formulas: true,
  // By itself csv-stringify quotes a cell for the line end that it writes, and not for others.
  quoted_match: /[\r\n]/,
  cast: { boolean: String, date: date => date.toISOString() },
}

/** Excel takes a file without the mark for one of an old code page, and reads numbers as its locale writes them. */
function spreadsheetOptions(spreadsheet: Spreadsheet): Options {
  return {
    ...PLAIN_OPTIONS,
    bom: true,
    delimiter: spreadsheet.delimiter,
    record_delimiter: 'windows',
    cast: {
      boolean: String,
      date: timeCell,
      number: value => numberCell(value, spreadsheet),
      string: text => textCell(text, spreadsheet),
    },
  }
}

/**
 * CSV with a header (RFC 4180, with LF at the end of a line). Each known feature has a column. One more column holds the other features of a row as JSON, so that
 * features of a model that is no longer installed are not lost.
 */
function csv(options: Options, featureNames?: readonly string[]): RowFormat {
  const featureColumns = featureNames && [...featureNames.map(name => `features.${name}`), 'otherFeatures']
  return {
    header: stringify([[...COLUMNS, ...(featureColumns ?? [])]], options),
    lines: rows =>
      stringify(
        rows.map(row => [...COLUMNS.map(name => row[name]), ...(featureNames ? featureCells(row, featureNames) : [])]),
        // The mark stands at the beginning of the file alone.
        { ...options, bom: false },
      ),
  }
}

function featureCells({ features }: ExportedPrediction, names: readonly string[]): unknown[] {
  const values = features ?? {}
  const others = Object.entries(values).filter(([name]) => !names.includes(name))
  const rest = others.length > 0 ? JSON.stringify(Object.fromEntries(others)) : null
  return [...names.map(name => values[name] ?? null), rest]
}

/** One JSON object on each line. */
function ndjson(withFeatures: boolean): RowFormat {
  const names = withFeatures ? ([...COLUMNS, 'features'] as const) : COLUMNS
  return {
    header: '',
    lines: rows => rows.map(row => `${JSON.stringify(Object.fromEntries(names.map(name => [name, row[name]])))}\n`).join(''),
  }
}
