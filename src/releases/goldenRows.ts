import { z } from 'zod'
import type { ModelContract } from '../scoring/contract.js'
import { checkFeatures, type FeatureValues } from '../scoring/features.js'
import { readText } from './readFiles.js'

/** An application with the probability of default that the model's own library gave. */
export interface GoldenRow {
  /** Its line in the file, from 1. */
  readonly line: number
  readonly features: FeatureValues
  readonly probability: number
}

export type GoldenRows = { readonly rows: readonly GoldenRow[] } | { readonly problems: readonly string[] }

const MOST_PROBLEMS = 5
const goldenRow = z.object({ features: z.record(z.string(), z.unknown()), probability: z.number().min(0).max(1) })

/** Reads golden.jsonl: one row a line. A file that does not exist holds no rows. `name` is what its problems call the file. */
export async function readGoldenRows(file: string, name: string, contract: ModelContract): Promise<GoldenRows> {
  const read = await readText(file, name)
  if ('problem' in read) return read.isMissing ? { rows: [] } : { problems: [read.problem] }
  const rows: GoldenRow[] = []
  const problems: string[] = []
  for (const [i, line] of read.text.split('\n').entries()) {
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
    json = JSON.parse(text)
  } catch {
    return { mistake: 'it is not JSON. Leave a missing value out, or write null.' }
  }
  const parsed = goldenRow.safeParse(json)
  if (!parsed.success) return { mistake: 'it must have "features", an object, and "probability", a number from 0 to 1.' }
  const { features, probability } = parsed.data
  const known = new Set(contract.features.map(feature => feature.name))
  const unknown = Object.keys(features).find(name => !known.has(name))
  if (unknown !== undefined) return { mistake: `the contract has no feature ${unknown}.` }
  const checked = checkFeatures(features, contract)
  if ('problems' in checked) return { mistake: checked.problems.map(({ message }) => message).join(' ') }
  return { line, features: checked.values, probability }
}
