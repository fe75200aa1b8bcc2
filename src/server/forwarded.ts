/** Which header names the client, where a trusted proxy sends it. Never both: a client could write the one that the proxy does not set. */
export const FORWARDED_HEADERS = ['x-forwarded-for', 'forwarded'] as const
export type ForwardedHeader = (typeof FORWARDED_HEADERS)[number]

// Far longer than any that a proxy writes. The time to read one grows with the square of its length.
const LONGEST_ELEMENT = 1_000

/**
 * The elements of a Forwarded header (RFC 7239), the last one first. Read from its end, which the trusted proxy wrote: a client may have
 * begun a quoted text that reaches into that part.
 */
export function* elementsFromEnd(header: string): Generator<string> {
  let end = header.length
  for (let i = header.length - 1; i >= 0; i--) {
    if (header[i] === '"') i = openingQuote(header, i)
    else if (header[i] === ',') {
      yield header.slice(i + 1, end).trim()
      end = i
    }
  }
  yield header.slice(0, end).trim()
}

/** The value of a parameter of an element, without its quotes; undefined where it is missing, or there twice. */
export function parameterOf(element: string, name: string): string | undefined {
  if (element.length > LONGEST_ELEMENT) return undefined
  const pairs = element.matchAll(/(?:^|;)\s*([\w!#$%&'*+.^`|~-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;"]*?)\s*(?=;|$)/g)
  const values = [...pairs].filter(([, key]) => key?.toLowerCase() === name).map(([, , value = '']) => value)
  const [value] = values
  if (value === undefined || values.length > 1) return undefined
  return value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
}

/** Where the text that ends with the quote at `from` begins; before the header where it begins nowhere. */
function openingQuote(header: string, from: number): number {
  for (let i = from - 1; i >= 0; i--) {
    if (header[i] !== '"') continue
    let backslashes = 0
    while (header[i - backslashes - 1] === '\\') backslashes++
    if (backslashes % 2 === 0) return i
  }
  return -1
}
