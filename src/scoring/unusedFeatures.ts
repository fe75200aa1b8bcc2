import type { FeatureContract, ModelContract } from './contract.js'
import type { ModelManifest } from './manifest.js'

/**
 * Sentences on features and categories that no column of a version uses, unless its manifest says so: a forgotten column would silently
 * make all its applications alike. And on those that it wrongly says to be unused. A feature that the contract has got since the version
 * was made is not forgotten.
 */
export function unusedViolations(
  { onnx, unused = [] }: Pick<ModelManifest, 'onnx' | 'unused'>,
  contract: ModelContract,
  madeFor: ModelContract = contract,
): string[] {
  const found = unusedNames(onnx, contract)
  const forgotten = found.filter(name => {
    const feature = name.split('=')[0] as string
    return !unused.includes(name) && !unused.includes(feature) && isKnown(feature, madeFor)
  })
  const wrong = unused.filter(name => !found.some(other => other === name || other.startsWith(`${name}=`)))
  return [
    ...(forgotten.length > 0
      ? [`no column uses ${forgotten.join(', ')}; add a column, or list it in "unused", such as "unused": ["${forgotten[0]}"]`]
      : []),
    ...wrong.map(
      name => `"unused" has ${name}, which ${isKnown(name, contract) ? 'a column uses' : 'the contract does not have'}`,
    ),
  ]
}

/** The features that no column uses, and the categories without a column of their own as `feature=category`. */
export function unusedNames({ inputs }: Pick<ModelManifest['onnx'], 'inputs'>, { features }: ModelContract): string[] {
  const columns = inputs.flatMap(input => input.columns)
  return features.flatMap(feature => unusedOf(feature, columns))
}

type Columns = ModelManifest['onnx']['inputs'][number]['columns']

/** The feature, or those of its categories that have no column of their own where others have. */
function unusedOf(feature: FeatureContract, columns: Columns): string[] {
  const own = columns.filter(column => column.feature === feature.name)
  if (own.length === 0) return [feature.name]
  if (feature.kind !== 'CATEGORY' || own.some(({ equals }) => equals === undefined)) return []
  const without = feature.categories.filter(category => own.every(({ equals }) => equals !== category))
  return without.map(category => `${feature.name}=${category}`)
}

function isKnown(name: string, { features }: ModelContract): boolean {
  const [feature, ...category] = name.split('=')
  const known = features.find(other => other.name === feature)
  if (!known || category.length === 0) return known !== undefined
  return known.kind === 'CATEGORY' && known.categories.includes(category.join('='))
}
