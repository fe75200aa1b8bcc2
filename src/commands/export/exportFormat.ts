// Apart from rowFormat.ts: the command line lists the formats, and must not load csv-stringify for that.

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]
