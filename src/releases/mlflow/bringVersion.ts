import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MODEL_NAME } from '../../scoring/contract.js'
import { type ModelManifest, VERSION_NAME } from '../../scoring/manifest.js'
import { readModelFolder } from '../files/modelFolders.js'
import { modelName } from '../init/featureNames.js'
import { type Initialised, type InitOptions, initModel } from '../init/initModel.js'
import { readSample } from '../init/sampleRows.js'
import type { ArtifactCache, CachedVersion } from './artifactCache.js'
import { type Brought, findBundle, installBundle, readBundle } from './bundle.js'
import { csvOfExample } from './inputExample.js'
import { MlflowError } from './mlflowError.js'
import { type Mlmodel, readMlmodel } from './mlmodel.js'
import { namesOf, signatureProblems } from './signatureProblems.js'

// Where rows with probabilities may be in the folder of a version.
const ROWS = ['golden.jsonl', 'rows.csv', 'extra_files/golden.jsonl', 'extra_files/rows.csv']

/** What a person may say about a version that was logged without a bundle. */
export type BringOptions = Pick<InitOptions, 'probabilityColumn' | 'drop' | 'codes' | 'directory'> & {
  readonly rowsFile?: string | undefined
  /** By default the name in MLflow. */
  readonly name?: string | undefined
  /** By default the number in MLflow. */
  readonly version?: string | undefined
}

export type BroughtVersion = Brought & {
  /** What was found out about a version without a bundle. */
  readonly initialised: Initialised | undefined
}

/**
 * Makes the folder of a version in the models folder from its files in the cache: a bundle is taken as it is, and a plain folder of the
 * onnx flavour goes through `model init`.
 * @throws MlflowError or Error with a sentence where that cannot be done
 */
export async function bringVersion(version: CachedVersion, cache: ArtifactCache, options: BringOptions): Promise<BroughtVersion> {
  return cache.withFolder(async work => {
    const folder = join(work, 'artifacts')
    await cache.writeTo(folder, version.files)
    const bundle = findBundle(folder)
    if (bundle === undefined) return initialise(version, folder, work, options)
    const read = await readBundle(bundle)
    refuseOptions(options, read.manifest)
    return { ...(await installBundle(read, options.directory)), initialised: undefined }
  })
}

/** A bundle says all that a person could. */
function refuseOptions({ rowsFile, name, version }: BringOptions, manifest: ModelManifest): void {
  if (rowsFile !== undefined) throw new Error('The version in MLflow is a whole bundle with its golden rows: leave --rows out.')
  const isOther = (name ?? manifest.model) !== manifest.model || (version ?? manifest.version) !== manifest.version
  if (isOther) throw new Error(`The version in MLflow is the bundle ${manifest.model}/${manifest.version}, and keeps its name.`)
}

async function initialise(logged: CachedVersion, folder: string, work: string, options: BringOptions): Promise<BroughtVersion> {
  const mlmodel = await readFile(join(folder, 'MLmodel'), 'utf8').catch(() => {
    throw new MlflowError('UNSUPPORTED', 'The version holds neither a bundle (manifest.json) nor an MLmodel file.')
  })
  const { signature, graph, ...rest } = readMlmodel(mlmodel)
  const { directory, name = modelName(logged.name), version = logged.version } = options
  if (!MODEL_NAME.test(name))
    throw new Error(`${name} is no kebab-case name of a model, such as consumer-credit. Give one with --name.`)
  if (!VERSION_NAME.test(version)) throw new Error(`${version} is no name of a version, such as 3 or 2026-11.1.`)
  const modelDirectory = join(directory, name)
  await checkSignature({ signature }, directory, name)
  const rowsFile = options.rowsFile ?? (await rowsIn(folder, work, rest, options))
  const initialised = await initModel({
    ...options,
    file: join(folder, graph),
    rowsFile,
    name,
    version,
    columns: namesOf(signature),
  })
  return { name, version, modelDirectory, isNewModel: initialised.isNewModel, isNewVersion: true, initialised }
}

/** The signature must fit the contract of a model that is there already. */
async function checkSignature({ signature }: Pick<Mlmodel, 'signature'>, models: string, name: string): Promise<void> {
  if (!signature || !existsSync(join(models, name, 'contract.json'))) return
  const { contract, problems } = await readModelFolder(models, name)
  const all = contract ? signatureProblems(signature, contract) : problems
  if (all.length > 0) throw new MlflowError('UNSUPPORTED', `The version does not fit the model ${name}: ${all.join('; ')}.`)
}

/** The rows with probabilities that were logged with the model. */
async function rowsIn(
  folder: string,
  work: string,
  { inputExample }: Pick<Mlmodel, 'inputExample'>,
  { probabilityColumn }: BringOptions,
): Promise<string> {
  const logged = ROWS.map(file => join(folder, file)).find(file => existsSync(file))
  if (logged !== undefined) return logged
  const text = inputExample && (await readFile(join(folder, inputExample), 'utf8').catch(() => undefined))
  const csv = text && csvOfExample(text)
  if (!csv || !holdsProbabilities(csv, probabilityColumn)) {
    throw new Error(
      'The version has no rows with the probabilities of the library of the model. Give them with --rows, or log rows.csv as an extra file.',
    )
  }
  const file = join(work, 'input_example.csv')
  await writeFile(file, csv)
  return file
}

/** An input example is often inputs alone. */
function holdsProbabilities(csv: string, column: string | undefined): boolean {
  try {
    return readSample(csv, false, column).rows.length > 0
  } catch {
    return false
  }
}
