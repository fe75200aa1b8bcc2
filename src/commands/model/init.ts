import { join } from 'node:path'
import { loadConfig } from '../../config/config.js'
import { featureName } from '../../releases/init/featureNames.js'
import { initModel } from '../../releases/init/initModel.js'
import { checkModels } from './check.js'

export interface InitArguments {
  readonly rows: string
  readonly name?: string
  readonly version: string
  readonly models?: string
  readonly probability?: string
  readonly drop?: readonly string[]
  readonly codes?: readonly string[]
}

/** Writes the folder of a model version from an ONNX file and rows with probabilities, and checks it. @throws Error with what to do */
export async function init(file: string, options: InitArguments): Promise<void> {
  const { version, rows, probability, drop = [] } = options
  const codes = new Map((options.codes ?? []).map(parseCodes))
  const name = options.name ?? kebabOf(file)
  const directory = options.models ?? loadConfig().modelsDirectory
  const made = await initModel({ file, rowsFile: rows, probabilityColumn: probability, drop, codes, directory, name, version })
  const { features, goldenRows, output, deviation, modelDirectory } = made
  print(`${modelDirectory}: ${features} features, ${goldenRows} golden rows`)
  print(
    `the probability is output ${output.name}, column ${output.column}; the rows differ from it by at most ${deviation.toExponential(1)}`,
  )
  if (made.guessed.length > 0) {
    print(
      `the order of the categories of ${made.guessed.join(', ')} is a guess: where the rows do not agree, give that of the training with --codes`,
    )
  }
  if (made.isNewModel)
    print(`wrote ${join(modelDirectory, 'contract.json')}: look over kinds, bounds, categories and descriptions`)
  else print('the model keeps its contract and its champion')
  await checkModels(join(modelDirectory, version))
}

/** "home=rent,owner" says that rent is 0 and owner is 1. */
function parseCodes(text: string): [column: string, categories: string[]] {
  const [, column, list] = /^([^=]+)=(.+)$/.exec(text) ?? []
  if (column === undefined || list === undefined)
    throw new Error(`--codes ${text}: write a column and its categories, such as home=rent,owner.`)
  return [column, list.split(',')]
}

/** The name of a model from that of its file: "Credit_v2.onnx" becomes credit-v2. */
function kebabOf(file: string): string {
  const base = file.replace(/^.*[/\\]/, '').replace(/\.onnx$/i, '')
  return featureName(base).replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
