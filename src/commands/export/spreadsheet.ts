/** How the spreadsheet of a locale reads a CSV file. */
export interface Spreadsheet {
  readonly delimiter: ',' | ';'
  readonly decimal: ',' | '.'
}

// Their numbers have a point, and their lists a semicolon all the same.
const POINT_AND_SEMICOLON = new Set(['CH', 'LI'])
// A number, a date, a time or a share. What the spreadsheet makes of it is another text: 0012 becomes 12, 1-2 a day.
const CONVERTED = /^[\d\s.,:/+%-]*\d[\d\s.,:/%-]*(?:e[+-]?\d+)?$/i
// This many digits are shown as they are.
const KEPT = /^(?:0|[1-9]\d{0,14})$/

/** The locale of the user's environment (LC_ALL, LANG). */
export function systemLocale(): string {
  return new Intl.NumberFormat().resolvedOptions().locale
}

/** Where a number has a decimal comma, the comma cannot divide cells. */
export function spreadsheetOf(locale: string): Spreadsheet {
  const parts = new Intl.NumberFormat(locale, { numberingSystem: 'latn' }).formatToParts(0.5)
  const decimal = parts.find(({ type }) => type === 'decimal')?.value === ',' ? ',' : '.'
  const { region = '' } = new Intl.Locale(locale).maximize()
  return { decimal, delimiter: decimal === ',' || POINT_AND_SEMICOLON.has(region) ? ';' : ',' }
}

export function numberCell(value: number, { decimal }: Spreadsheet): string {
  return String(value).replace('.', decimal)
}

/** A time of UTC that spreadsheets of every locale read; they have no zones, and each writes parts of a second in its own way. */
export function timeCell(instant: Date): string {
  return instant.toISOString().slice(0, 19).replace('T', ' ')
}

/** Keeps a text from being converted. Formulas are the business of csv-stringify. */
export function textCell(text: string): string {
  return CONVERTED.test(text) && !KEPT.test(text) && !/^[+-]/.test(text) ? `'${text}` : text
}
