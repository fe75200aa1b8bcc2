import { z } from 'zod'
import type { FeatureContract, ModelContract } from '../../scoring/contract.js'

/**
 * The features of a model. Without domains it checks the types alone: ranges, categories and required features are checked by the
 * operation, row by row. With domains it is what OpenAPI shows.
 */
export function featuresSchema(
  { inputField, features, description }: ModelContract,
  { withDomains }: { withDomains: boolean },
): z.ZodObject {
  const shape = features.map(feature => {
    const value = withDomains ? withDomain(feature) : TYPES[feature.kind]()
    const schema = withDomains && feature.required ? value : value.nullish()
    return [feature.name, schema.describe(inBoth(feature.description, feature))] as const
  })
  const schema = z.strictObject(Object.fromEntries(shape)).describe(inBoth(description))
  return withDomains ? schema.meta({ id: `${inputField.charAt(0).toUpperCase()}${inputField.slice(1)}Features` }) : schema
}

const TYPES = {
  NUMBER: () => z.number(),
  INTEGER: () => z.number(),
  BOOLEAN: () => z.boolean(),
  CATEGORY: () => z.string(),
}

function withDomain(feature: FeatureContract): z.ZodType {
  switch (feature.kind) {
    case 'BOOLEAN':
      return z.boolean()
    case 'CATEGORY':
      return z.enum(feature.categories)
    case 'NUMBER':
    case 'INTEGER': {
      const { minimum, maximum } = feature
      const number = feature.kind === 'INTEGER' ? z.int() : z.number()
      const bounded = minimum === undefined ? number : number.min(minimum)
      return maximum === undefined ? bounded : bounded.max(maximum)
    }
  }
}

/** OpenAPI has one description for each thing; a reader finds both languages in it. */
function inBoth({ en, es }: ModelContract['description'], feature?: FeatureContract): string {
  const unit = feature && 'unit' in feature && feature.unit !== undefined ? ` (${feature.unit})` : ''
  return `${en}${unit}\n\nES: ${es}`
}
