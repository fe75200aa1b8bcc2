import type { Proposal } from './proposal.js'
import type { SampleRows } from './sampleRows.js'

/** The rows with the texts of these columns as the file has them; undefined where that makes no difference. */
export function asWritten(sample: SampleRows, columns: readonly string[]): SampleRows | undefined {
  const rows = sample.rows.map(row => {
    const texts = Object.entries(row.written ?? {}).filter(([column]) => columns.includes(column))
    return texts.length > 0 ? { ...row, cells: { ...row.cells, ...Object.fromEntries(texts) } } : row
  })
  return rows.some((row, i) => row !== sample.rows[i]) ? { ...sample, rows } : undefined
}

/** Columns of categories where a text such as "none" counts as missing, as `column (none, NA)`. */
export function textsCountedAsMissing({ rows }: SampleRows, { features }: Proposal): string[] {
  return features.flatMap(({ kind, description: column }) => {
    if (kind !== 'CATEGORY') return []
    const texts = rows.flatMap(({ cells, written }) => ((cells[column] ?? null) === null ? (written?.[column] ?? []) : []))
    return texts.length > 0 ? [`${column} (${[...new Set(texts)].join(', ')})`] : []
  })
}
