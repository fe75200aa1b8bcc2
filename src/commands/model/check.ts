import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { loadAdmissionLimits } from '../../config/config.js'
import type { Admission } from '../../releases/admission/admission.js'
import { AdmissionProcess } from '../../releases/admission/admissionProcess.js'
import type { AdmissionReport } from '../../releases/admission/admissionReport.js'
import { type LoadedModel, loadModel } from '../../releases/folderSource.js'
import { readModelFolder, readModelFolders } from '../../releases/modelFiles.js'
import { saidBy } from '../../releases/runtimeSentence.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { type Finding, ok, print, problem, warning } from '../doctor/finding.js'
import { reportLines } from './reportLines.js'

interface Checked {
  readonly findings: readonly Finding[]
  readonly reports: readonly AdmissionReport[]
}

/**
 * Checks what a path holds, and prints every problem of every file: a models folder, the folder of a model or of a version, or an ONNX
 * file. `asJson` prints the reports of the checks instead. @throws Error where something would not serve
 */
export async function checkModels(path: string, asJson = false): Promise<void> {
  const admission = new AdmissionProcess(loadAdmissionLimits())
  const { findings, reports } = await check(resolve(path), admission).finally(() => admission.close())
  if (asJson) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`)
  else for (const finding of findings) print(finding)
  const problems = findings.filter(({ state }) => state === 'problem').length
  if (problems > 0) throw new Error(`${problems} problem(s) found.`)
}

async function check(path: string, admission: Admission): Promise<Checked> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new Error(`${path} does not exist.`)
  if (found.isFile()) return { findings: await graphFindings(path), reports: [] }
  if (existsSync(join(path, 'manifest.json'))) return checkModel(admission, dirname(path), basename(path))
  if (existsSync(join(path, 'contract.json'))) return checkModel(admission, path)
  const { models, strays } = await readModelFolders(path)
  const checked: Checked[] = [
    { findings: strays.map(folder => warning(folder, 'holds no model and is passed over.')), reports: [] },
  ]
  for (const { directory } of models) checked.push(await checkModel(admission, directory))
  return { findings: checked.flatMap(({ findings }) => findings), reports: checked.flatMap(({ reports }) => reports) }
}

/** Checks a model, or one of its versions beside the champion. */
async function checkModel(admission: Admission, directory: string, only?: string): Promise<Checked> {
  const strays: Finding[] = []
  const folder = await readModelFolder(dirname(directory), basename(directory))
  const model = await loadModel(folder, {
    admission,
    observeScoring: () => {},
    warn: (message, { folder }) => {
      if (typeof folder === 'string' && only === undefined) strays.push(warning(folder, `${message}.`))
    },
  })
  const reports = model.reports.filter(({ version }) => only === undefined || version === only)
  return { findings: [...strays, ...versionFindings(model, reports, only)], reports }
}

function versionFindings(
  { name, entry, problems }: LoadedModel,
  reports: readonly AdmissionReport[],
  only: string | undefined,
): Finding[] {
  if (!entry) return problems.map(says => problem(name, says))
  const versions = entry.versions.filter(({ version }) => only === undefined || version === only)
  const findings = versions.flatMap(({ version, stage, problems, warnings }) => {
    const check = `${name}/${version}`
    const report = reports.find(report => report.version === version)
    const lines = report ? reportLines(report).map(line => ok(check, line)) : []
    if (stage === 'REJECTED') return problems.map(says => problem(check, says))
    const features = ok(check, `${stage}: ${entry.contract.features.length} features`)
    return [features, ...lines, ...warnings.map(says => warning(check, says))]
  })
  // A champion that is not there has no version to say so.
  const isToldBefore = entry.champion !== undefined || versions.some(({ stage }) => stage === 'REJECTED') || only !== undefined
  return isToldBefore ? findings : [...findings, ...problems.map(says => problem(name, says))]
}

/** What a graph alone tells: whether it loads, and what it takes and gives. */
async function graphFindings(path: string): Promise<Finding[]> {
  const check = basename(path)
  try {
    const { inputMetadata, outputMetadata } = await OnnxModel.formOf(await readFile(path))
    return [
      ...inputMetadata.map(input => ok(check, `input ${formOf(input)}`)),
      ...outputMetadata.map(output => ok(check, `output ${formOf(output)}`)),
    ]
  } catch (error) {
    return [problem(check, `cannot be loaded: ${saidBy(error)}.`)]
  }
}

function formOf({ name, type = 'no tensor', shape = [] }: { name: string; type?: string; shape?: readonly (number | string)[] }) {
  return `${name}: ${type} [${shape.map(size => (size === '' ? '?' : size)).join(', ')}]`
}
