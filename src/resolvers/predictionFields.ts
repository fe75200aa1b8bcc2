import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql'
import type { ModelRegistry } from '../releases/serving/modelRegistry.js'
import { Cost } from '../schema/cost.js'
import { ModelVersion } from '../schema/model.js'
import { Applicant, FeatureValue, Prediction } from '../schema/prediction.js'
import type { Prediction as StoredPrediction } from '../scoring/prediction.js'
import type { Releases } from '../scoring/release.js'
import type { RequestContext } from './context.js'
import { goneVersion, toModelVersion } from './modelView.js'

type Models = Pick<Releases, 'version'> & Pick<ModelRegistry, 'model'>

/** The fields of a prediction that need more than its row. */
@Resolver(() => Prediction)
export class PredictionFields {
  readonly #models: Models

  constructor(models: Models) {
    this.#models = models
  }

  @FieldResolver(() => Applicant)
  applicant(@Root() { applicantId }: StoredPrediction): Applicant {
    return { id: applicantId }
  }

  @FieldResolver(() => ModelVersion)
  modelVersion(@Root() { model, modelVersion }: StoredPrediction): ModelVersion {
    const version = this.#models.version(model, modelVersion)
    return version ? toModelVersion(version) : goneVersion(model, modelVersion)
  }

  @FieldResolver(() => String, {
    description: 'The version of that model. `modelVersion` tells more of it.',
  })
  version(@Root() { modelVersion }: StoredPrediction): string {
    return modelVersion
  }

  // The same for any contract: a page of 100 with features must be possible.
  @Cost({ size: 40 })
  @FieldResolver(() => [FeatureValue], {
    nullable: true,
    description:
      'The inputs as scored. For ANALYST and ADMIN only: for others null with FORBIDDEN at this path, while the other fields are served. Null after erasure.',
  })
  async features(@Root() { id, model }: StoredPrediction, @Ctx() { loaders }: RequestContext): Promise<FeatureValue[] | null> {
    const values = await loaders().featuresById.load(id)
    if (values === null) return null
    const names = this.#models.model(model)?.contract.features.map(({ name }) => name) ?? Object.keys(values)
    return names.map(name => {
      const value = values[name]
      return {
        name,
        number: value === undefined || typeof value === 'string' ? null : Number(value),
        category: typeof value === 'string' ? value : null,
        missing: value === undefined,
      }
    })
  }
}
