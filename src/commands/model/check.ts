import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type LoadedModel, loadModel } from '../../releases/folderSource.js'
import { readModelFolder, readModelFolders } from '../../releases/modelFiles.js'
import { saidBy } from '../../releases/runtimeSentence.js'
import { OnnxModel } from '../../scoring/onnx/onnxModel.js'
import { type Finding, ok, print, problem, warning } from '../doctor/finding.js'

/**
 * Checks what a path holds, and prints every problem of every file: a models folder, the folder of a model or of a version, or an ONNX
 * file. @throws Error where something would not serve
 */
export async function checkModels(path: string): Promise<void> {
  const findings = await findingsOf(resolve(path))
  for (const finding of findings) print(finding)
  const problems = findings.filter(({ state }) => state === 'problem').length
  if (problems > 0) throw new Error(`${problems} problem(s) found.`)
}

async function findingsOf(path: string): Promise<Finding[]> {
  const found = await stat(path).catch(() => undefined)
  if (!found) throw new Error(`${path} does not exist.`)
  if (found.isFile()) return graphFindings(path)
  if (existsSync(join(path, 'manifest.json'))) return modelFindings(dirname(path), basename(path))
  if (existsSync(join(path, 'contract.json'))) return modelFindings(path)
  const { models, strays } = await readModelFolders(path)
  const findings: Finding[] = strays.map(folder => warning(folder, 'holds no model and is passed over.'))
  for (const { directory } of models) findings.push(...(await modelFindings(directory)))
  return findings
}

/** The findings of a model, or of one of its versions. */
async function modelFindings(directory: string, only?: string): Promise<Finding[]> {
  const findings: Finding[] = []
  const folder = await readModelFolder(dirname(directory), basename(directory))
  const model = await loadModel(folder, {
    observeScoring: () => {},
    warn: (message, { folder }) => {
      if (typeof folder === 'string' && only === undefined) findings.push(warning(folder, `${message}.`))
    },
  })
  return [...findings, ...versionFindings(model, only)]
}

function versionFindings({ name, entry, problems }: LoadedModel, only: string | undefined): Finding[] {
  if (!entry) return problems.map(says => problem(name, says))
  const versions = entry.versions.filter(({ version }) => only === undefined || version === only)
  const findings = versions.flatMap(({ version, stage, problems, warnings }) => {
    const check = `${name}/${version}`
    if (stage === 'REJECTED') return problems.map(says => problem(check, says))
    return [ok(check, `${stage}: ${entry.contract.features.length} features`), ...warnings.map(says => warning(check, says))]
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
