import { basename, join } from 'node:path'
import { loadConfig } from '../../config/config.js'
import { modelName } from '../../releases/init/featureNames.js'
import { initModel } from '../../releases/init/initModel.js'
import { removeMade } from '../../releases/init/removeMade.js'
import { checkModels } from './check.js'
import { printMade } from './made.js'

export interface InitArguments {
  readonly rows?: string
  readonly name?: string
  readonly modelVersion?: string
  readonly models?: string
  readonly probability?: string
  readonly drop?: readonly string[]
  readonly codes?: readonly string[]
  readonly fromMlflow?: string
  /** Leaves the folder there although the check finds problems. */
  readonly keep?: boolean
}

/**
 * Writes the folder of a model version from an ONNX file and rows with probabilities, or from a version in MLflow, and checks it.
 * @throws Error with what to do
 */
export async function init(file: string | undefined, options: InitArguments): Promise<void> {
  const { rows, probability, drop = [], fromMlflow, name, modelVersion, keep = false } = options
  const codes = new Map((options.codes ?? []).map(parseCodes))
  if (fromMlflow !== undefined) {
    if (file !== undefined) throw new Error('Give an ONNX file or --from-mlflow, not both.')
    const { fetchModel } = await import('./fetch.js')
    const more = { rowsFile: rows, name, version: modelVersion, probabilityColumn: probability, drop, codes }
    return fetchModel(fromMlflow, { ...more, models: options.models })
  }
  if (file === undefined) throw new Error('Give an ONNX file, or a version in MLflow with --from-mlflow.')
  if (rows === undefined) throw new Error('Give rows with the probabilities of the library of the model: --rows FILE.')
  const directory = options.models ?? loadConfig().modelsDirectory
  const given = { file, rowsFile: rows, probabilityColumn: probability, drop, codes, directory }
  const version = modelVersion ?? '1'
  const made = await initModel({ ...given, name: name ?? modelName(basename(file).replace(/\.onnx$/i, '')), version })
  printMade(made)
  const folder = join(made.modelDirectory, version)
  await checkModels(folder).catch(error => refuse(error, made.isNewModel ? made.modelDirectory : folder, keep))
}

/** What would not serve is removed again, so that the same command can be given with more options. */
async function refuse(error: Error, folder: string, keep: boolean): Promise<never> {
  if (keep) throw new Error(`${error.message} ${folder} is kept.`)
  await removeMade(folder)
  throw new Error(`${error.message} ${folder} is removed again; --keep leaves it there.`)
}

/** "home=rent,owner" says that rent is 0 and owner is 1. */
function parseCodes(text: string): [column: string, categories: string[]] {
  const [, column, list] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (column === undefined || list === undefined)
    throw new Error(`--codes ${text}: write a column and its categories, such as home=rent,owner.`)
  return [column, list.split(',')]
}
