import { describe, expect, it } from 'vitest'
import { rowFormat } from '../../../../src/commands/export/rowFormat.js'
import { spreadsheetOf } from '../../../../src/commands/export/spreadsheet.js'
import type { ExportedPrediction } from '../../../../src/storage/predictions/exportReader.js'

const ROW: ExportedPrediction = {
  id: '01a1fff1-0000-7000-8000-000000000000',
  tenant: 'default',
  applicantId: 'José; "17", Ñ',
  model: 'consumer-credit',
  modelVersion: '2',
  probability: 0.1234567890123,
  band: 'T4',
  highRisk: false,
  channel: null,
  createdAt: new Date('2026-11-30T23:59:59.999Z'),
  requestedBy: 'web-shop',
  features: { debt: -1234.5, home: 'owner', tiny: 1e-7 },
  defaulted: true,
  outcomeObservedAt: null,
  outcomeRecordedBy: null,
}
const NAMES = ['debt', 'home', 'tiny']

/**
 * The cells of a file as Excel reads them: without the mark, at its delimiter, quotes undone. Written from its description, not from
 * the library that writes the file.
 */
function cellsOf(text: string, delimiter: string): string[][] {
  expect(text.startsWith('\ufeff')).toBe(true)
  expect(text.lastIndexOf('\ufeff')).toBe(0)
  const rows: string[][] = [['']]
  let isQuoted = false
  const add = (character: string) => {
    const row = rows.at(-1) as string[]
    row[row.length - 1] += character
  }
  for (let i = 1; i < text.length; i++) {
    const character = text.charAt(i)
    if (isQuoted && character === '"' && text.charAt(i + 1) === '"') add(text.charAt(++i))
    else if (character === '"') isQuoted = !isQuoted
    else if (isQuoted) add(character)
    else if (character === delimiter) rows.at(-1)?.push('')
    else if (character === '\r' && text.charAt(i + 1) === '\n') {
      i++
      rows.push([''])
    } else if (character === '\n' || character === '\r') throw new Error('A line does not end in CR and LF.')
    else add(character)
  }
  expect(rows.pop()).toEqual([''])
  return rows
}

function written(locale: string, ...rows: ExportedPrediction[]): string[][] {
  const spreadsheet = spreadsheetOf(locale)
  const { header, lines } = rowFormat('csv', NAMES, spreadsheet)
  // A page of the export at a time.
  return cellsOf(header + rows.map(row => lines([row])).join(''), spreadsheet.delimiter)
}

describe('an export for Excel', () => {
  it.each([
    ['es-ES', ';', ','],
    ['de-DE', ';', ','],
    ['fr-FR', ';', ','],
    ['pt-BR', ';', ','],
    ['it', ';', ','],
    ['es-AR', ';', ','],
    ['ca-ES', ';', ','],
    ['sv-SE', ';', ','],
    ['de-CH', ';', '.'],
    ['en-US', ',', '.'],
    ['en-GB', ',', '.'],
    ['es-MX', ',', '.'],
    ['ja-JP', ',', '.'],
    ['ar-EG', ',', '.'],
  ])('has for %s the delimiter %s and the decimal %s', (locale, delimiter, decimal) => {
    expect(spreadsheetOf(locale)).toMatchObject({ delimiter, decimal })
    const [header = [], row = []] = written(locale, ROW)
    const cell = (name: string) => row[header.indexOf(name)]
    expect(row).toHaveLength(header.length)
    expect(['probability', 'features.debt', 'features.tiny'].map(cell)).toEqual([
      `0${decimal}1234567890123`,
      `-1234${decimal}5`,
      '1e-7',
    ])
    expect(
      ['id', 'applicantId', 'modelVersion', 'highRisk', 'channel', 'defaulted', 'outcomeObservedAt', 'otherFeatures'].map(cell),
    ).toEqual([ROW.id, ROW.applicantId, '2', 'false', '', 'true', '', ''])
    expect(cell('createdAt')).toBe('2026-11-30 23:59:59')
  })

  it('has the mark once, however many pages follow', () => {
    expect(written('es-ES', ROW, ROW, ROW)).toHaveLength(4)
  })

  it.each([
    '=1+1',
    '=cmd|calc',
    '+1',
    '-7',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\uff1d1',
    '-1;=2',
    '0012',
    '1-2',
    '2/3',
    '12:30',
    '1e5',
    '1.5',
    '1,5',
    '50%',
    'MAR-17',
    'ENE-17',
    'Jan-2026',
    '1 Jan',
    'Jan 1 2026 5 PM',
    '12 de enero de 2026',
    'SEPT2',
    '3月5日',
    'H30.1.1',
    '12 PM',
    '12:30 pm',
    '5 a',
    '$100',
    '12 €',
    'R$ 5',
    'R100',
    'CHF 12345',
    "1'000",
    '(12)',
    '\uff11\uff12\uff13',
    '\uff15\uff10\uff05',
    '\u0661\u0662\u0663',
    '123456789012',
    'TRUE',
    'false',
    'verdadero',
    'FALSO',
    '#N/A',
    '#\u00a1DIV/0!',
  ])('keeps Excel from taking the text %j for a formula, a number or a date', text => {
    const [header = [], row = []] = written('es-ES', {
      ...ROW,
      applicantId: text,
      channel: text,
      requestedBy: text,
      features: { home: text },
    })
    for (const name of ['applicantId', 'channel', 'requestedBy', 'features.home']) {
      expect([name, row[header.indexOf(name)]]).toEqual([name, `'${text}`])
    }
  })

  it.each([
    'A-1',
    'AB-0017',
    'APP-000123',
    'José-00017',
    'web-shop-1',
    'MAR_17',
    'T1',
    '01a1fff1-0000-7000-8000-000000000000',
    '0',
    '17',
    '12345678901',
    'José',
    'VERDADERO',
    'a=b',
    '{"a":1}',
  ])('leaves the text %j as it is', text => {
    const [header = [], row = []] = written('en-US', { ...ROW, applicantId: text })
    expect(row[header.indexOf('applicantId')]).toBe(text)
  })

  it('keeps every digit of a reference that Excel would round', () => {
    const [header = [], row = []] = written('en-US', { ...ROW, applicantId: '9007199254740993' })
    expect(row[header.indexOf('applicantId')]).toBe("'9007199254740993")
  })
})
