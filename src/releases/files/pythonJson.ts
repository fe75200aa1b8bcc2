// A text in quotes, or what Python's json module writes for numbers that JSON does not have.
const TOKEN = /"(?:[^"\\]|\\.)*"|-?Infinity\b|NaN\b/g

/**
 * Parses JSON as Python and pandas write it: a bare NaN is a missing value, and so null; Infinity stays what it is.
 * @throws SyntaxError
 */
export function parsePythonJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return JSON.parse(text.replace(TOKEN, spelled))
  }
}

function spelled(token: string): string {
  if (token === 'NaN') return 'null'
  // JSON.parse makes it infinite.
  return token.endsWith('Infinity') ? token.replace('Infinity', '1e999') : token
}
