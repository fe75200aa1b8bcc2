import { join } from 'node:path'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { spellingsOf } from '../../scoring/spellings.js'
import type { VersionToCheck } from './admission.js'
import type { AdmissionReport } from './admissionReport.js'
import { bandSharesOf, bandWarnings } from './bandShares.js'
import { judgeCompany } from './company.js'
import { compareWithChampion } from './comparison.js'
import { judgeConstancy } from './constancy.js'
import { costWarnings, measureCost, resetPeak, timed } from './cost.js'
import { applicationsAtEdges, coverageWarnings, probeProblems } from './domainProbes.js'
import { checkGoldenRows, type GoldenFindings } from './goldenCheck.js'
import { type GoldenRow, readGoldenRows } from './goldenRows.js'
import { operatorProblems } from './operators.js'
import { parityApplications } from './parity.js'
import { qualityOf } from './quality.js'
import { digestsOf, readGraph } from './versionFiles.js'

const NO_ROWS = 'a champion needs golden rows, applications with the probability that the library of the model gave them.'

/** What the checks find, without what names them. */
type Findings = Omit<AdmissionReport, 'model' | 'version' | 'content' | 'checkedAt' | 'checkedBy'>

/**
 * Checks a version before it may serve: digest, operators and form of the graph, the golden rows of the model's own library, and the
 * edges of what the contract allows. Each problem is a sentence that names the file. It runs the graph, which may never end.
 */
export async function checkVersion(version: VersionToCheck): Promise<AdmissionReport> {
  const { model, version: name, content, checkedBy } = version
  resetPeak()
  const found = await findingsOf(version)
  const read = new Map(version.files.map(({ name, sha256 }) => [name, sha256]))
  const isChanged = (await digestsOf(version, version.manifest)).some(({ name, sha256 }) => read.get(name) !== sha256)
  const findings = isChanged ? refused([`${version.name}: its files changed while they were checked. Check it again.`]) : found
  return { model, version: name, content, checkedAt: new Date().toISOString(), checkedBy, ...findings }
}

async function findingsOf(version: VersionToCheck): Promise<Findings> {
  const { directory, name, contract, manifest } = version
  const problems = [...version.problems]
  const golden = await readGoldenRows(join(directory, 'golden.jsonl'), `${name}/golden.jsonl`, contract)
  const rows = 'rows' in golden ? golden.rows : []
  if ('problems' in golden) problems.push(...golden.problems)
  const graph = await readGraph(version, manifest)
  if ('problem' in graph) problems.push(graph.problem)
  else problems.push(...operatorsOf(graph.bytes).map(says => `${name}/${manifest.onnx.file}: ${says}.`))
  if (problems.length > 0 || !('bytes' in graph)) return refused(problems)
  return tryOut(graph.bytes, rows, version)
}

function operatorsOf(graph: Uint8Array): string[] {
  try {
    return operatorProblems(graph)
  } catch (error) {
    return [`it is no ONNX model (${saidBy(error)}); copy or export it again`]
  }
}

async function tryOut(bytes: Uint8Array, rows: readonly GoldenRow[], version: VersionToCheck): Promise<Findings> {
  const { name, contract, manifest } = version
  const file = `${name}/${manifest.onnx.file}`
  const load = () => OnnxModel.load(bytes, manifest, spellingsOf(contract))
  let model: OnnxModel
  let loadMs: number
  try {
    ;({ result: model, ms: loadMs } = await timed(load))
  } catch (error) {
    return refused([`${file} cannot be loaded: ${saidBy(error)}.`])
  }
  try {
    const found = await judge(model, rows, version, { loadMs, load })
    return { ...found, problems: found.problems.map(problem => `${file}: ${problem}`) }
  } finally {
    await model.release()
  }
}

async function judge(
  model: OnnxModel,
  rows: readonly GoldenRow[],
  version: VersionToCheck,
  { loadMs, load }: { readonly loadMs: number; readonly load: () => Promise<OnnxModel> },
): Promise<Findings> {
  const { name, contract } = version
  const golden = await checkGoldenRows(model, rows)
  const summary = Number.isFinite(golden.worstDeviation)
    ? { rows: rows.length, worstDeviation: golden.worstDeviation }
    : undefined
  if (golden.problems.length > 0) return { ...refused(golden.problems), golden: summary }
  const problems = await probeProblems(model, contract, rows)
  if (problems.length > 0) return { ...refused(problems), golden: summary }
  const edges = applicationsAtEdges(contract, rows)
  const applications = [...rows.map(({ features }) => features), ...edges]
  const company = await judgeCompany(model, applications)
  if ('problem' in company) return { ...refused([company.problem]), golden: summary }
  if (company.hasOtherBits) model.runRowByRow()
  const constancy = judgeConstancy(applications, [...golden.answers, ...(await model.run(edges))])
  if (constancy && 'problem' in constancy) return { ...refused([constancy.problem]), golden: summary }
  const scored = await weigh(rows, golden, version)
  const cost = await measureCost(model, applications, loadMs, load)
  const onRows = rows.length === 0 ? [] : [...golden.warnings, ...coverageWarnings(contract, rows), ...scored.warnings]
  if (constancy) onRows.push(constancy.warning)
  const warnings = [
    ...onRows.map(says => `${name}/golden.jsonl: ${says}`),
    ...costWarnings(cost).map(says => `${name}/${version.manifest.onnx.file}: ${says}`),
  ]
  return {
    problems: [],
    championProblems: rows.length === 0 ? [`${name}/golden.jsonl: ${NO_ROWS}`] : [],
    warnings,
    rowByRow: company.hasOtherBits,
    ...(rows.length > 0 && { golden: summary }),
    answers: await model.run(parityApplications(contract, rows)),
    ...scored.figures,
    cost,
  }
}

/** What can be said of a version whose golden rows agree: its bands, how well it separates, and the champion beside it. */
async function weigh(
  rows: readonly GoldenRow[],
  { answers }: GoldenFindings,
  { manifest, contract, champion }: VersionToCheck,
): Promise<{ figures: Pick<Findings, 'bandShares' | 'quality' | 'comparison'>; warnings: string[] }> {
  if (rows.length === 0) return { figures: {}, warnings: [] }
  const scored = rows.map(({ features, defaulted }, i) => ({
    features,
    probability: Math.min(answers[i] as number, 1),
    defaulted,
  }))
  const quality = qualityOf(
    scored.flatMap(({ probability, defaulted }) => (defaulted === undefined ? [] : [{ probability, defaulted }])),
  )
  const compared = champion && (await compareWithChampion(champion, contract, rows, scored, quality))
  const shares = bandSharesOf(
    scored.map(({ probability }) => probability),
    manifest.bands,
  )
  return {
    figures: { bandShares: shares, quality, comparison: compared?.comparison },
    warnings: [...bandWarnings(scored, manifest.bands), ...(compared?.warnings ?? [])],
  }
}

function refused(problems: readonly string[]): Findings {
  return { problems: [...problems], championProblems: [], warnings: [], rowByRow: false, answers: [] }
}
