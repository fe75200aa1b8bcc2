import { featureName } from './featureNames.js'

// Others leave nothing to compare in the name of a feature.
const HAS_LATIN = /[A-Za-z0-9]/

/** The column of each input. The very name goes first: names in other scripts, and a_b and aB, are the same name of a feature. */
export function columnsNamedLike(inputs: readonly string[], columns: readonly string[]): (string | undefined)[] {
  const left = columns.filter(column => !inputs.includes(column))
  return inputs.map(input => {
    if (columns.includes(input)) return input
    const alike = HAS_LATIN.test(input) ? left.findIndex(column => featureName(column) === featureName(input)) : -1
    return alike < 0 ? undefined : left.splice(alike, 1)[0]
  })
}
