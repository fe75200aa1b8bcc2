import {
  GraphQLBoolean,
  GraphQLFloat,
  type GraphQLInputFieldConfig,
  GraphQLInputObjectType,
  GraphQLScalarType,
  GraphQLString,
} from 'graphql'
import type { FeatureContract, FeatureKind, ModelContract } from '../scoring/contract.js'

/** A placeholder for the type that build.ts puts in its place: the contracts are known only when the gateway starts. */
export const ModelFeaturesInput = new GraphQLScalarType({ name: 'ModelFeaturesInput' })

// Whole numbers are Float too: a 9.5 is a mistake in one row, reported at its field, and must not refuse the rows beside it.
const SCALAR_OF_KIND = {
  NUMBER: GraphQLFloat,
  INTEGER: GraphQLFloat,
  BOOLEAN: GraphQLBoolean,
  CATEGORY: GraphQLString,
} satisfies Record<FeatureKind, GraphQLScalarType>

/** The typed features input of all served models: exactly one model's key is set. */
export function featuresInputType(contracts: readonly ModelContract[]): GraphQLInputObjectType {
  return new GraphQLInputObjectType({
    name: ModelFeaturesInput.name,
    description: 'One key for each served model. A contract grows by optional features only; any other change gets a new key.',
    isOneOf: true,
    fields: Object.fromEntries(
      contracts.map(contract => [contract.inputField, { type: modelInputType(contract), description: contract.description.en }]),
    ),
  })
}

function modelInputType({ inputField, features, name }: ModelContract): GraphQLInputObjectType {
  return new GraphQLInputObjectType({
    name: `${inputField.charAt(0).toUpperCase()}${inputField.slice(1)}FeaturesInput`,
    description: `Features of ${name}. Every field may be null here: required features, ranges and categories are checked row by row.`,
    fields: Object.fromEntries(features.map(feature => [feature.name, featureField(feature)])),
  })
}

function featureField(feature: FeatureContract): GraphQLInputFieldConfig {
  return { type: SCALAR_OF_KIND[feature.kind], description: `${feature.description.en}\n\n${domainOf(feature)}` }
}

function domainOf(feature: FeatureContract): string {
  const parts: string[] = [feature.required ? 'Required' : 'Optional']
  if (feature.kind === 'CATEGORY') parts.push(`one of ${feature.categories.join(', ')}`)
  if (feature.kind === 'INTEGER') parts.push('a whole number')
  if (feature.kind === 'NUMBER' || feature.kind === 'INTEGER') {
    if (feature.minimum !== undefined) parts.push(`at least ${feature.minimum}`)
    if (feature.maximum !== undefined) parts.push(`at most ${feature.maximum}`)
    if (feature.unit !== undefined) parts.push(`in ${feature.unit}`)
  }
  return `${parts.join(', ')}.`
}
