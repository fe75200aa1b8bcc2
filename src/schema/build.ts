import { type GraphQLInputObjectType, GraphQLNonNull, GraphQLSchema } from 'graphql'
import { type BuildSchemaOptions, buildSchemaSync } from 'type-graphql'
import type { ModelContract } from '../scoring/contract.js'
import { takeCanonicalArguments } from './canonicalArguments.js'
import { featuresInputType, ModelFeaturesInput } from './features.js'

type ResolverClass = BuildSchemaOptions['resolvers'][number]

/** Gives TypeGraphQL the instance of a resolver class. */
export type ResolverInstances = (resolver: unknown) => unknown

// TypeGraphQL requires one as soon as there is a subscription; all of ours have a source of their own.
const NO_PUB_SUB: NonNullable<BuildSchemaOptions['pubSub']> = {
  publish: () => {},
  subscribe: () => {
    throw new Error('This subscription has no source of its own.')
  },
}

/** Builds the executable schema: TypeGraphQL makes the part of the resolver classes, the contracts give the typed features. */
export function buildApiSchema(
  resolvers: readonly [ResolverClass, ...ResolverClass[]],
  instanceOf: ResolverInstances,
  contracts: readonly ModelContract[],
): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [...resolvers],
    container: { get: instanceOf },
    validate: false,
    // It would run an introspection at each start. Each validation of a document checks the final schema.
    skipCheck: true,
    pubSub: NO_PUB_SUB,
  })
  const application = schema.getType('PredictRiskInput') as GraphQLInputObjectType
  const { features } = application.getFields()
  if (!features) throw new Error('PredictRiskInput has no field features.')
  features.type = new GraphQLNonNull(featuresInputType(contracts))
  const { types, ...config } = schema.toConfig()
  const finished = new GraphQLSchema({ ...config, types: types.filter(({ name }) => name !== ModelFeaturesInput.name) })
  takeCanonicalArguments(finished)
  return finished
}
