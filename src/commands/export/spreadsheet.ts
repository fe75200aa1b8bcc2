/** How the spreadsheet of a locale reads a CSV file. */
export interface Spreadsheet {
  readonly delimiter: ',' | ';'
  readonly decimal: ',' | '.'
  /** The words for true and false, in capitals. */
  readonly truthValues: readonly string[]
}

// Their numbers have a point, and their lists a semicolon all the same.
const POINT_AND_SEMICOLON = new Set(['CH', 'LI'])
const TRUTH_VALUES: Readonly<Record<string, readonly string[]>> = {
  ca: ['CERT', 'FALS'],
  da: ['SAND', 'FALSK'],
  de: ['WAHR', 'FALSCH'],
  es: ['VERDADERO', 'FALSO'],
  fi: ['TOSI', 'EPÄTOSI'],
  fr: ['VRAI', 'FAUX'],
  it: ['VERO', 'FALSO'],
  nb: ['SANN', 'USANN'],
  nl: ['WAAR', 'ONWAAR'],
  pl: ['PRAWDA', 'FAŁSZ'],
  pt: ['VERDADEIRO', 'FALSO'],
  sv: ['SANT', 'FALSKT'],
}

// Each locale has its months, currencies and signs: a text with a digit is kept from being converted, unless one of the next three fits.
const DIGIT = /\p{Nd}/u
// More digits are shown as 1.23457E+11.
const SHORT_NUMBER = /^(?:0|[1-9]\d{0,10})$/
// No number, date, time or amount has such a sign, or a hyphen three times.
const NO_VALUE = /["&;<=>?@[\\\]^_`{|}~!*]|-.*-.*-/
// A1, A-17, APP-00017 and web-shop-1. But MAR-17 is a month in one place, and R100 an amount in another.
const REFERENCE = /^(?:\p{L}\d|\p{L}{1,2}-\d+|\p{L}+-(?:\d{5,}|\p{L}.*))$/u

/** The locale of the user's environment (LC_ALL, LANG). */
export function systemLocale(): string {
  return new Intl.NumberFormat().resolvedOptions().locale
}

/** Where a number has a decimal comma, the comma cannot divide cells. */
export function spreadsheetOf(locale: string): Spreadsheet {
  const parts = new Intl.NumberFormat(locale, { numberingSystem: 'latn' }).formatToParts(0.5)
  const decimal = parts.find(({ type }) => type === 'decimal')?.value === ',' ? ',' : '.'
  const { region = '', language } = new Intl.Locale(locale).maximize()
  return {
    decimal,
    delimiter: decimal === ',' || POINT_AND_SEMICOLON.has(region) ? ';' : ',',
    truthValues: ['TRUE', 'FALSE', ...(TRUTH_VALUES[language] ?? [])],
  }
}

export function numberCell(value: number, { decimal }: Spreadsheet): string {
  return String(value).replace('.', decimal)
}

/** A time of UTC that spreadsheets of every locale read; they have no zones, and each writes parts of a second in its own way. */
export function timeCell(instant: Date): string {
  return instant.toISOString().slice(0, 19).replace('T', ' ')
}

/** Keeps a text from being converted. Formulas are the business of csv-stringify. */
export function textCell(text: string, { truthValues }: Spreadsheet): string {
  return isConverted(text) || truthValues.includes(text.trim().toUpperCase()) ? `'${text}` : text
}

/** Whether a spreadsheet may make another text of it: a number, a date, a time, an amount, or an error such as #N/A. */
function isConverted(text: string): boolean {
  if (text.startsWith('#')) return true
  return DIGIT.test(text) && ![SHORT_NUMBER, NO_VALUE, REFERENCE].some(harmless => harmless.test(text))
}
