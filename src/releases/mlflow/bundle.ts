import { existsSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { contractSchema, MODEL_NAME, type ModelContract } from '../../scoring/contract.js'
import { type ModelManifest, manifestSchema } from '../../scoring/manifest.js'
import { readModelFolder } from '../files/modelFolders.js'
import { readJson } from '../files/readFiles.js'
import { MlflowError } from './mlflowError.js'

// Where a bundle may be in the folder of a version; MLflow copies the `extra_files` of a flavour into a folder of that name.
const PLACES = ['', 'riskgate', 'extra_files']

/** A version's folder that was logged as a whole, with the contract of its model if that was logged too. */
export interface Bundle {
  readonly directory: string
  readonly manifest: ModelManifest
  readonly contract: ModelContract | undefined
}

/** The folder that holds a manifest, or undefined. */
export function findBundle(directory: string): string | undefined {
  return PLACES.map(place => join(directory, place)).find(place => existsSync(join(place, 'manifest.json')))
}

/** @throws MlflowError with every problem of its manifest and its contract */
export async function readBundle(directory: string): Promise<Bundle> {
  const manifest = await readJson(join(directory, 'manifest.json'), 'manifest.json', manifestSchema)
  const contract = existsSync(join(directory, 'contract.json'))
    ? await readJson(join(directory, 'contract.json'), 'contract.json', contractSchema)
    : undefined
  const problems = [manifest, contract].flatMap(read => (read && 'problems' in read ? read.problems : []))
  if ('problems' in manifest || (contract && 'problems' in contract)) throw new MlflowError('UNSUPPORTED', problems.join(' '))
  return { directory, manifest: manifest.value, contract: contract?.value }
}

/**
 * Copies a bundle into a folder: the files of the version, and the contract of its model beside them.
 * @throws MlflowError where it has no contract, or that of another model
 */
export async function copyBundle({ directory, manifest, contract }: Bundle, place: string): Promise<void> {
  if (!contract) throw new MlflowError('UNSUPPORTED', 'The bundle has no contract.json. Log the contract of its model with it.')
  refuseOtherModel(manifest, contract)
  await mkdir(place)
  for (const file of ['contract.json', ...(await filesOf(directory, manifest))]) {
    await copyFile(join(directory, file), join(place, file))
  }
}

export interface Brought {
  readonly name: string
  readonly version: string
  readonly modelDirectory: string
  /** False: the model was there before, and keeps its contract and its champion. */
  readonly isNewModel: boolean
  /** False: the same files were there before. */
  readonly isNewVersion: boolean
}

/**
 * Puts the version of a bundle into the models folder as it is. It appears there at once, with all its files.
 * @throws MlflowError where it does not fit the model's contract, or another version of that name is there
 */
export async function installBundle(bundle: Bundle, models: string): Promise<Brought> {
  const { directory, manifest, contract } = bundle
  const { model: name, version } = manifest
  const modelDirectory = join(models, name)
  // Before a name becomes a path: only a contract says what a name may be.
  const isNewModel = await checkContract(bundle, models)
  const place = join(modelDirectory, version)
  const files = await filesOf(directory, manifest)
  if (existsSync(place)) {
    await refuseOther(directory, place, files)
    return { name, version, modelDirectory, isNewModel: false, isNewVersion: false }
  }
  await mkdir(modelDirectory, { recursive: true })
  // The gateway passes over names with a leading dot.
  const arriving = join(modelDirectory, `.${version}.arriving-${process.pid}`)
  try {
    await mkdir(arriving)
    for (const file of files) await copyFile(join(directory, file), join(arriving, file))
    await rename(arriving, place)
  } finally {
    await rm(arriving, { recursive: true, force: true })
  }
  if (isNewModel && contract) {
    await copyFile(join(directory, 'contract.json'), join(modelDirectory, 'contract.json'))
    await writeFile(join(modelDirectory, 'champion'), `${version}\n`)
  }
  return { name, version, modelDirectory, isNewModel, isNewVersion: true }
}

/** Whether the model is new. @throws MlflowError where the contracts differ, or there is none */
async function checkContract({ manifest: { model }, contract }: Bundle, models: string): Promise<boolean> {
  if (contract) refuseOtherModel({ model }, contract)
  const isThere = MODEL_NAME.test(model) && existsSync(join(models, model, 'contract.json'))
  if (!isThere) {
    if (contract) return true
    throw new MlflowError(
      'UNSUPPORTED',
      `The version has no contract.json, and the models folder has no model ${model}. Log it too.`,
    )
  }
  const folder = await readModelFolder(models, model)
  if (!folder.contract) throw new MlflowError('UNSUPPORTED', folder.problems.join(' '))
  const difference = contract && differenceOf(contract, folder.contract)
  if (difference === undefined) return false
  throw new MlflowError(
    'UNSUPPORTED',
    `The version has another contract than the model ${model}: ${difference}. Bring it as another model.`,
  )
}

function refuseOtherModel({ model }: Pick<ModelManifest, 'model'>, { name }: ModelContract): void {
  if (name === model) return
  throw new MlflowError('UNSUPPORTED', `The manifest is of the model ${model}, and the contract of ${name}.`)
}

/** The first difference by name, kind and order. Texts, bounds and units may be edited where the model is. */
function differenceOf(bundled: ModelContract, own: ModelContract): string | undefined {
  const [theirs, ours] = [bundled, own].map(({ features }) => features.map(({ name, kind }) => `${name} (${kind})`)) as [
    string[],
    string[],
  ]
  const at = Array.from({ length: Math.max(theirs.length, ours.length) }, (_, i) => i).find(i => theirs[i] !== ours[i])
  if (at === undefined) return undefined
  return `feature ${at + 1} is ${theirs[at] ?? 'missing'} in the version, and ${ours[at] ?? 'missing'} in the model`
}

/** The files of a version; what MLflow keeps beside them stays behind. */
async function filesOf(directory: string, { onnx }: ModelManifest): Promise<string[]> {
  const named = ['manifest.json', 'golden.jsonl', 'MODEL_CARD.md', onnx.file, ...(onnx.external ?? []).map(({ file }) => file)]
  const entries = await readdir(directory, { withFileTypes: true })
  const there = entries.filter(entry => entry.isFile()).map(({ name }) => name)
  return [...new Set(named)].filter(file => there.includes(file))
}

async function refuseOther(directory: string, place: string, files: readonly string[]): Promise<void> {
  for (const file of files) {
    const [theirs, ours] = await Promise.all(
      [directory, place].map(folder => readFile(join(folder, file)).catch(() => undefined)),
    )
    if (theirs && ours?.equals(theirs)) continue
    throw new MlflowError(
      'UNSUPPORTED',
      `${join(place, file)} differs from that of MLflow. A version never changes: log it under another name.`,
    )
  }
}
