/** A value that occurs only in one field, and that can be found in any encoding. */
export interface Canary {
  readonly field: string
  readonly value: string
}

/** A text that occurs nowhere else. It has only letters and digits, so that it passes every check of a reference. */
export function canaryOf(field: string): Canary {
  const random = Math.random().toString(36).slice(2, 10).padEnd(8, 'q')
  return { field, value: `Kanari${random}${field.replace(/\W/g, '')}` }
}

/** The encodings that a careless program may give to a text. Letter case and Unicode escapes are undone in the searched text. */
const FORMS: Readonly<Record<string, (value: string) => readonly string[]>> = {
  plain: value => [value],
  'URL-encoded': value => [encodeURIComponent(value), [...Buffer.from(value)].map(byte => `%${byte.toString(16)}`).join('')],
  hex: value => [Buffer.from(value).toString('hex')],
  'hex of UTF-16': value => [Buffer.from(value, 'utf16le').toString('hex')],
  // The base64 of a text depends on the number of bytes before it: for each of three offsets its middle is the same.
  base64: value => [0, 1, 2].map(before => innerBase64(value, before)),
  base64url: value => [0, 1, 2].map(before => innerBase64(value, before).replaceAll('+', '-').replaceAll('/', '_')),
  reversed: value => [[...value].reverse().join('')],
}

function innerBase64(value: string, before: number): string {
  const text = Buffer.from('x'.repeat(before) + value).toString('base64')
  return text.slice(Math.ceil((before * 4) / 3), Math.floor(((before + Buffer.byteLength(value)) * 8) / 6) - 1)
}

/** Every encoding in which a canary occurs in the text. */
export function findCanaries(text: string, canaries: readonly Canary[]): string[] {
  const unescaped = text.replace(/\\u([0-9a-f]{4})/gi, (_all, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  const [insensitive, exact] = [`${text}\n${unescaped}`.toLowerCase(), text]
  return canaries.flatMap(({ field, value }) =>
    Object.entries(FORMS).flatMap(([form, of]) => {
      // In base64 the two cases of a letter are different.
      const isExact = form.startsWith('base64')
      const isFound = of(value).some(needle => (isExact ? exact.includes(needle) : insensitive.includes(needle.toLowerCase())))
      return isFound ? [`${field}, ${form}`] : []
    }),
  )
}
