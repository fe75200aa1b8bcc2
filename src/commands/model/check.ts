import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { loadAdmissionLimits } from '../../config/config.js'
import { AdmissionProcess } from '../../releases/admission/admissionProcess.js'
import type { AdmissionReport } from '../../releases/admission/admissionReport.js'
import {
  type CheckedModel,
  type CheckedVersion,
  checkFolder,
  checkOnly,
  type TakeFolder,
} from '../../releases/folder/checkFolder.js'
import { scanModel, scanModels } from '../../releases/folder/scanModels.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import { type Finding, ok, print, problem, warning } from '../doctor/finding.js'
import { reportLines } from './reportLines.js'
import { withIntake } from './withIntake.js'

interface Checked {
  readonly findings: readonly Finding[]
  readonly reports: readonly AdmissionReport[]
}

export interface CheckOptions {
  /** Prints the reports of the checks instead. */
  readonly json?: boolean
  /** Puts the versions into the version store of DATABASE_URL. */
  readonly admit?: boolean
}

/**
 * Checks what a path holds, and prints every problem of every file: a models folder, the folder of a model or of a version, or an ONNX
 * file. @throws Error where something would not serve
 */
export async function checkModels(path: string, { json = false, admit = false }: CheckOptions = {}): Promise<void> {
  const run = admit ? withIntake : withChecks
  const { findings, reports } = await run(take => check(resolve(path), take, admit))
  if (json) process.stdout.write(`${JSON.stringify(reports, null, 2)}\n`)
  else for (const finding of findings) print(finding)
  const problems = findings.filter(({ state }) => state === 'problem').length
  if (problems > 0) throw new Error(`${problems} problem(s) found.`)
}

async function withChecks<T>(work: (take: TakeFolder) => Promise<T>): Promise<T> {
  const admission = new AdmissionProcess(loadAdmissionLimits())
  return work(checkOnly(admission)).finally(() => admission.close())
}

async function check(path: string, take: TakeFolder, admit: boolean): Promise<Checked> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new Error(`${path} does not exist.`)
  if (found.isFile() && admit)
    throw new Error(`${path} is a graph alone. --admit takes the folder of a version, a model or models.`)
  if (found.isFile()) return { findings: await graphFindings(path), reports: [] }
  const isVersion = existsSync(join(path, 'manifest.json'))
  const only = isVersion ? basename(path) : undefined
  const isModel = isVersion || existsSync(join(path, 'contract.json'))
  const { models, strays } = await (isModel ? scanModel(isVersion ? dirname(path) : path) : scanModels(path))
  const findings = isVersion ? [] : strays.map(folder => warning(folder, 'holds no model or version and is passed over.'))
  const reports: AdmissionReport[] = []
  for (const model of models) {
    const checked = await checkFolder(model, take, only)
    const shown = checked.versions.filter(({ version }) => only === undefined || version === only)
    findings.push(...shown.flatMap(version => versionFindings(checked, version, admit)), ...modelFindings(checked, only))
    reports.push(...shown.flatMap(({ report }) => report ?? []))
  }
  return { findings, reports }
}

function versionFindings({ name, contract }: CheckedModel, checked: CheckedVersion, admit: boolean): Finding[] {
  const { version, stage, report, problems, warnings } = checked
  const check = `${name}/${version}`
  if (stage === 'REJECTED' || !report) return problems.map(says => problem(check, says))
  return [
    ok(check, `${stage}: ${contract?.features.length} features`),
    ...reportLines(report).map(line => ok(check, line)),
    ...(admit ? [ok(check, 'stands in the version store')] : []),
    ...warnings.map(says => warning(check, says)),
  ]
}

/** A champion that is not there has no version to say so. */
function modelFindings({ name, contract, versions, problems }: CheckedModel, only: string | undefined): Finding[] {
  const isTold = versions.some(version => version.problems === problems)
  return isTold || (contract && only !== undefined) ? [] : problems.map(says => problem(name, says))
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
