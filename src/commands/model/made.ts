import { join } from 'node:path'
import type { Initialised } from '../../releases/init/initModel.js'

/** Prints what was found out about a model, and what a person should look over. */
export function printMade({ features, goldenRows, output, deviation, modelDirectory, guessed, isNewModel }: Initialised): void {
  print(`${modelDirectory}: ${features} features, ${goldenRows} golden rows`)
  print(
    `the probability is output ${output.name}, column ${output.column}; the rows differ from it by at most ${deviation.toExponential(1)}`,
  )
  if (guessed.length > 0) {
    print(
      `the order of the categories of ${guessed.join(', ')} is a guess: where the rows do not agree, give that of the training with --codes`,
    )
  }
  printKept(modelDirectory, isNewModel)
}

export function printKept(modelDirectory: string, isNewModel: boolean): void {
  if (isNewModel) print(`wrote ${join(modelDirectory, 'contract.json')}: look over kinds, bounds, categories and descriptions`)
  else print('the model keeps its contract and its champion')
}

export function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
