import { join } from 'node:path'
import type { Initialised } from '../../releases/init/initModel.js'

export const KEPT = 'the model keeps its contract and its champion'

/** Prints what was found out about a model, and what a person should look over. */
export function printMade(made: Initialised): void {
  const { features, goldenRows, output, deviation, modelDirectory, probabilityColumn, guessed, countedAsMissing, isNewModel } =
    made
  print(`${modelDirectory}: ${features} features, ${goldenRows} golden rows`)
  const read = probabilityColumn === undefined ? '' : ` (column ${probabilityColumn})`
  print(
    `the probability is output ${output.name}, column ${output.column}; the rows${read} differ from it by at most ${deviation.toExponential(1)}`,
  )
  if (guessed.length > 0) {
    print(
      `the order of the categories of ${guessed.join(', ')} was not found, as the rows do not agree: give that of the training with --codes`,
    )
  }
  if (countedAsMissing.length > 0)
    print(`texts that count as missing: ${countedAsMissing.join('; ')}; give a category another name`)
  const contract = join(modelDirectory, 'contract.json')
  print(isNewModel ? `wrote ${contract}: look over kinds, bounds, categories and descriptions` : KEPT)
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
