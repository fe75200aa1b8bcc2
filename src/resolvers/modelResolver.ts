import { Arg, FieldResolver, Query, Resolver, Root } from 'type-graphql'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import { Cost } from '../schema/cost.js'
import { FeatureContract, Model, ModelVersion } from '../schema/model.js'
import { type Locale, LocaleEnum } from '../schema/scalars.js'
import { type FeatureView, toModel } from './modelView.js'

@Resolver(() => ModelVersion)
export class ModelResolver {
  readonly #models: ModelRegistry

  constructor(models: ModelRegistry) {
    this.#models = models
  }

  @Cost({ size: 10 })
  @Query(() => [Model], { description: 'The models, with everything that a client needs to build a form.' })
  models(): Model[] {
    return this.#models.models.map(toModel)
  }

  @Query(() => Model, { nullable: true, description: 'One model by its name.' })
  model(@Arg('name', () => String) name: string): Model | null {
    const entry = this.#models.model(name)
    return entry ? toModel(entry) : null
  }

  @FieldResolver(() => Model, { name: 'model', nullable: true, description: 'Null where the model is no longer here.' })
  modelOfVersion(@Root() { name }: ModelVersion): Model | null {
    return this.model(name)
  }
}

@Resolver(() => FeatureContract)
export class FeatureContractFields {
  @FieldResolver(() => String, { description: 'The meaning of the feature, for the person who fills in a form.' })
  description(
    @Root() { descriptions }: FeatureView,
    @Arg('locale', () => LocaleEnum, { nullable: true, defaultValue: 'EN' }) locale?: Locale | null,
  ): string {
    return locale === 'ES' ? descriptions.es : descriptions.en
  }
}
