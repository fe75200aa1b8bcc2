import { stringify } from 'csv-stringify/sync'
import type { ExportedPrediction } from '../../storage/predictions/exportReader.js'
import type { ExportFormat } from './exportFormat.js'

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
export function rowFormat(format: ExportFormat, featureNames?: readonly string[]): RowFormat {
  return format === 'csv' ? csv(featureNames) : ndjson(featureNames !== undefined)
}

/**
 * RFC 4180 with a header. Each known feature has a column. One more column holds the other features of a row as JSON, so that
 * features of a model that is no longer installed are not lost.
 */
function csv(featureNames?: readonly string[]): RowFormat {
  const featureColumns = featureNames && [...featureNames.map(name => `features.${name}`), 'otherFeatures']
  const text = (records: unknown[][]) =>
    stringify(records, {
      // A spreadsheet would run a reference or a channel that begins with = as a formula.
      escape_formulas: true,
      cast: { boolean: String, date: date => date.toISOString() },
    })
  return {
    header: text([[...COLUMNS, ...(featureColumns ?? [])]]),
    lines: rows =>
      text(rows.map(row => [...COLUMNS.map(name => row[name]), ...(featureNames ? featureCells(row, featureNames) : [])])),
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
