import { stat } from 'node:fs/promises'
import type { ModelContract } from '../../scoring/contract.js'
import { checkFeatures, type FeatureValues, type RawFeatures } from '../../scoring/features.js'
import { parsePythonJson } from '../files/pythonJson.js'
import { readText } from '../files/readFiles.js'

/** An application with the probability of default that the model's own library gave. */
export interface GoldenRow {
  /** Its line in the file, from 1. */
  readonly line: number
  readonly features: FeatureValues
  readonly probability: number
  /** What became of the loan; undefined where it is not known. */
  readonly defaulted?: boolean | undefined
}

export type GoldenRows = { readonly rows: readonly GoldenRow[] } | { readonly problems: readonly string[] }

const MOST_PROBLEMS = 5
/** A larger text does not fit into a string of JavaScript, or hardly so. */
const MOST_MIB = 256
const FORM = 'it must have "features", an object, and "probability", a number from 0 to 1.'

/** Reads golden.jsonl: one row a line. A file that does not exist holds no rows. `name` is what its problems call the file. */
export async function readGoldenRows(file: string, name: string, contract: ModelContract): Promise<GoldenRows> {
  const size = await stat(file).then(
    ({ size }) => size,
    () => 0,
  )
  if (size > MOST_MIB * 1024 ** 2) return { problems: [`${name} is larger than ${MOST_MIB} MiB. Keep fewer rows.`] }
  const read = await readText(file, name)
  if ('problem' in read) return read.isMissing ? { rows: [] } : { problems: [read.problem] }
  return parseGoldenRows(read.text, name, contract)
}

/** Reads the text of a golden.jsonl, or the first lines of one. */
export function parseGoldenRows(text: string, name: string, contract: ModelContract): GoldenRows {
  const rows: GoldenRow[] = []
  const problems: string[] = []
  for (const [i, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue
    const row = readRow(line, i + 1, contract)
    if ('mistake' in row) problems.push(`${name}, line ${i + 1}: ${row.mistake}`)
    else rows.push(row)
  }
  if (problems.length === 0) return { rows }
  const more = problems.length - MOST_PROBLEMS
  return { problems: [...problems.slice(0, MOST_PROBLEMS), ...(more > 0 ? [`${name}: ${more} more lines have problems.`] : [])] }
}

function readRow(text: string, line: number, contract: ModelContract): GoldenRow | { readonly mistake: string } {
  let json: unknown
  try {
    json = parsePythonJson(text)
  } catch {
    return { mistake: 'it is not JSON. Leave a missing value out, or write null.' }
  }
  const { features, probability, defaulted } = (json ?? {}) as Record<string, unknown>
  if (!isObject(features) || typeof probability !== 'number' || !(probability >= 0 && probability <= 1)) return { mistake: FORM }
  if (defaulted !== undefined && defaulted !== null && typeof defaulted !== 'boolean') {
    return { mistake: '"defaulted" must be true or false; leave it out where it is not known.' }
  }
  const known = new Set(contract.features.map(feature => feature.name))
  const unknown = Object.keys(features).find(name => !known.has(name))
  if (unknown !== undefined) return { mistake: `the contract has no feature ${unknown}.` }
  const checked = checkFeatures(features, contract)
  if ('problems' in checked) return { mistake: checked.problems.map(({ message }) => message).join(' ') }
  return { line, features: checked.values, probability, ...(typeof defaulted === 'boolean' && { defaulted }) }
}

function isObject(value: unknown): value is RawFeatures {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
