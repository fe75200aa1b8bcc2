import { IGNORED, INSTEAD, OF_THE_SESSION, READ } from './parameters.js'

const KNOWN: ReadonlySet<string> = new Set([...READ, ...OF_THE_SESSION, ...Object.keys(IGNORED), ...Object.keys(INSTEAD)])
const NAME = /^[A-Za-z][A-Za-z_]{1,39}$/

export interface Parameters {
  /** Those that are read here or given to the server. */
  readonly given: ReadonlyMap<string, string>
  /** The names of those without an effect. */
  readonly ignored: readonly string[]
  readonly problems: readonly string[]
}

/** Reads what follows the `?`. Unlike in forms of the web, `+` is no space. Problems never repeat a value. */
export function readQuery(query: string): Parameters {
  const given = new Map<string, string>()
  const ignored: string[] = []
  const problems: string[] = []
  const seen = new Set<string>()
  for (const pair of query.split('&').filter(part => part !== '')) {
    const [, rawName = '', rawValue = ''] = /^([^=]*)=?(.*)$/s.exec(pair) ?? []
    const [name, value] = [decoded(rawName), decoded(rawValue)]
    if (name === undefined || value === undefined) problems.push('must be a URL in which % is written as %25')
    else if (seen.has(name)) problems.push(`has ${shown(name, query)} twice`)
    else if (isRead(name)) given.set(name, value)
    else if (IGNORED[name]?.test(value)) ignored.push(name)
    else problems.push(refusal(name, query))
    if (name !== undefined) seen.add(name)
  }
  return { given, ignored, problems }
}

function isRead(name: string): boolean {
  return ([...READ, ...OF_THE_SESSION] as readonly string[]).includes(name)
}

function refusal(name: string, query: string): string {
  const instead = INSTEAD[name]
  if (instead !== undefined)
    return `has the parameter ${name}${name in IGNORED ? ' with a value' : ''} that riskgate does not follow: ${instead}`
  if (name in IGNORED) return `has a value of ${name} that riskgate does not follow`
  return `has ${shown(name, query)}, which riskgate does not know: docs/operations/database.md lists those that it does`
}

/** A password with `?` that is not encoded would look like parameters. */
function shown(name: string, query: string): string {
  const isName = KNOWN.has(name) || (NAME.test(name) && !query.includes('@'))
  return isName ? `the parameter ${name}` : 'a parameter whose name may be part of a password'
}

/** Undefined where a `%` is not encoded. */
export function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
