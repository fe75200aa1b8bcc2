import { type GraphQLInputObjectType, GraphQLNonNull, GraphQLSchema } from 'graphql'
import { type BuildSchemaOptions, buildSchemaSync } from 'type-graphql'
import type { ModelContract } from '../scoring/contract.js'
import { featuresInputType, ModelFeaturesInput } from './features.js'

type ResolverClass = BuildSchemaOptions['resolvers'][number]

/** What TypeGraphQL asks for a resolver's instance. */
export type ResolverInstances = (resolver: unknown) => unknown

// TypeGraphQL wants one as soon as there is a subscription; ours all bring their own source.
const NO_PUB_SUB: NonNullable<BuildSchemaOptions['pubSub']> = {
  publish: () => {},
  subscribe: () => {
    throw new Error('This subscription has no source of its own.')
  },
}

/** The executable schema: the resolver classes' part by TypeGraphQL, the typed features from the contracts. */
export function buildApiSchema(
  resolvers: readonly [ResolverClass, ...ResolverClass[]],
  instanceOf: ResolverInstances,
  contracts: readonly ModelContract[],
): GraphQLSchema {
  const schema = buildSchemaSync({
    resolvers: [...resolvers],
    container: { get: instanceOf },
    validate: false,
    pubSub: NO_PUB_SUB,
  })
  const application = schema.getType('PredictRiskInput') as GraphQLInputObjectType
  const { features } = application.getFields()
  if (!features) throw new Error('PredictRiskInput has no field features.')
  features.type = new GraphQLNonNull(featuresInputType(contracts))
  const { types, ...config } = schema.toConfig()
  return new GraphQLSchema({ ...config, types: types.filter(({ name }) => name !== ModelFeaturesInput.name) })
}
