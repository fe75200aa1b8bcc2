import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { type ModelContract, spellingsOf } from '../scoring/contract.js'
import { contractViolations, type ModelManifest } from '../scoring/manifest.js'
import { inlineExternalData } from '../scoring/onnx/externalData.js'
import { OnnxModel } from '../scoring/onnx/onnxModel.js'
import { judgeCompany } from './company.js'
import { applicationsAtEdges, coverageWarnings, probeProblems } from './domainProbes.js'
import { checkGoldenRows } from './goldenCheck.js'
import { type GoldenRow, readGoldenRows } from './goldenRows.js'
import { readBytes } from './readFiles.js'
import { saidBy } from './runtimeSentence.js'

const NO_ROWS = 'a champion needs golden rows, applications with the probability that the library of the model gave them.'

/** The result of the checks of a version. It may serve where it has a model, and is refused for its problems otherwise. */
export interface Admission {
  readonly model: OnnxModel | undefined
  readonly problems: readonly string[]
  /** What the checks could not prove. */
  readonly warnings: readonly string[]
}

export interface VersionFiles {
  readonly directory: string
  /** What its problems call the folder, for example consumer-credit/2. */
  readonly name: string
  readonly contract: ModelContract
  readonly manifest: ModelManifest
  /** Golden rows are demanded from a champion. */
  readonly isChampion: boolean
}

/**
 * Checks a version before it may serve: contract, digest, form of the graph, the golden rows of the model's own library, and the
 * edges of what the contract allows. Each problem is a sentence that names the file.
 */
export async function admit(version: VersionFiles): Promise<Admission> {
  const { directory, name, contract, manifest, isChampion } = version
  const violations = contractViolations(manifest, contract)
  const problems = violations.length > 0 ? [`${name}/manifest.json does not fit the contract: ${violations.join('; ')}.`] : []
  const golden = await readGoldenRows(join(directory, 'golden.jsonl'), `${name}/golden.jsonl`, contract)
  const rows = 'rows' in golden ? golden.rows : []
  if ('problems' in golden) problems.push(...golden.problems)
  else if (rows.length === 0 && isChampion) problems.push(`${name}/golden.jsonl: ${NO_ROWS}`)
  const file = await readGraph(version)
  if ('problem' in file) problems.push(file.problem)
  if (problems.length > 0 || !('bytes' in file)) return refused(problems)
  return tryOut(file.bytes, rows, version)
}

async function tryOut(bytes: Uint8Array, rows: readonly GoldenRow[], version: VersionFiles): Promise<Admission> {
  const { name, contract, manifest } = version
  const file = `${name}/${manifest.onnx.file}`
  let model: OnnxModel
  try {
    model = await OnnxModel.load(bytes, manifest, spellingsOf(contract))
  } catch (error) {
    return refused([`${file} cannot be loaded: ${saidBy(error)}.`])
  }
  const golden = await checkGoldenRows(model, rows)
  const problems = golden.problems.length > 0 ? [...golden.problems] : await probeProblems(model, contract, rows)
  if (problems.length === 0) {
    const company = await judgeCompany(model, [...rows.map(({ features }) => features), ...applicationsAtEdges(contract, rows)])
    if ('problem' in company) problems.push(company.problem)
    else if (company.hasOtherBits) model.runRowByRow()
  }
  if (problems.length > 0) {
    await model.release()
    return refused(problems.map(problem => `${file}: ${problem}`))
  }
  const warnings = rows.length === 0 ? [NO_ROWS] : [...golden.warnings, ...coverageWarnings(contract, rows)]
  return { model, problems, warnings: warnings.map(says => `${name}/golden.jsonl: ${says}`) }
}

type GraphBytes = { readonly bytes: Uint8Array } | { readonly problem: string }

/** The graph of a version, with the large tensors that it keeps in files beside it. */
async function readGraph({ directory, name, manifest: { onnx } }: VersionFiles): Promise<GraphBytes> {
  const graph = await readChecked(directory, name, onnx)
  if ('problem' in graph) return graph
  const files = new Map<string, Uint8Array>()
  for (const external of onnx.external ?? []) {
    const read = await readChecked(directory, name, external)
    if ('problem' in read) return read
    files.set(external.file, read.bytes)
  }
  try {
    return { bytes: inlineExternalData(graph.bytes, files) }
  } catch (error) {
    return { problem: `${name}/${onnx.file} cannot be loaded: ${saidBy(error)}.` }
  }
}

async function readChecked(
  directory: string,
  name: string,
  { file, sha256 }: { file: string; sha256: string },
): Promise<GraphBytes> {
  const read = await readBytes(join(directory, file), `${name}/${file}`)
  if ('problem' in read) return read
  const digest = createHash('sha256').update(read.bytes).digest('hex')
  if (digest === sha256) return read
  return {
    problem: `${name}/${file} does not have the SHA-256 of its manifest. Copy the version again, or correct its manifest.`,
  }
}

function refused(problems: readonly string[]): Admission {
  return { model: undefined, problems, warnings: [] }
}
