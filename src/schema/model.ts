import { Field, Float, ObjectType } from 'type-graphql'
import { RISK_BANDS, type RiskBand } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { DateTime, FeatureKindEnum, ModelStageEnum, RiskBandEnum } from './scalars.js'

const UNKNOWN = 'Null where the manifest of the version cannot be read.'

@ObjectType({ description: 'A feature of a model, with the ranges and categories that its values are checked against.' })
export class FeatureContract {
  @Field(() => String, { description: "A field of the model's features input." }) name: string
  @Field(() => FeatureKindEnum) kind: keyof typeof FeatureKindEnum
  @Field(() => Boolean) required: boolean
  @Field(() => Float, { nullable: true, description: 'Inclusive.' }) minimum: number | undefined
  @Field(() => Float, { nullable: true, description: 'Inclusive.' }) maximum: number | undefined
  @Field(() => [String], { nullable: true }) categories: readonly string[] | undefined
  @Field(() => String, { nullable: true }) unit: string | undefined
}

@ObjectType({ description: 'The probabilities of default of a band: from <= p < to; the last interval includes 1.' })
export class BandCutoff {
  @Field(() => RiskBandEnum) band: RiskBand
  @Field(() => Float) from: number
  @Field(() => Float) to: number
}

@ObjectType({ description: 'A figure that says how good a model version was on a data set.' })
export class ModelMetric {
  @Field(() => String) name: string
  @Field(() => Float) value: number
  @Field(() => String) dataset: string
}

@ObjectType({ description: 'One trained version of a model.' })
export class ModelVersion {
  @Field(() => String, { description: 'The name of its model.' }) name: string
  @Field(() => String) version: string
  @Field(() => String, { nullable: true, description: `SHA-256 of the ONNX file, hexadecimal. ${UNKNOWN}` })
  digest: string | undefined
  @Field(() => ModelStageEnum, { description: 'On the gateway that answers; it follows the rollout within two seconds.' })
  stage: keyof typeof ModelStageEnum
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [BandCutoff], { description: 'From T1 to T8. Empty where the manifest cannot be read.' })
  bands: BandCutoff[]
  @Cost({ size: 10 })
  @Field(() => [ModelMetric], { nullable: true, description: 'For ANALYST, MODEL_MANAGER and ADMIN.' })
  metrics: ModelMetric[]
  @Field(() => DateTime, { nullable: true, description: 'Null where the manifest does not say it.' }) createdAt: Date | undefined
  @Cost({ size: 10 })
  @Field(() => [String], {
    nullable: true,
    description: 'Why the version is REJECTED, or why nothing is known of it but its name. For ANALYST, MODEL_MANAGER and ADMIN.',
  })
  problems: readonly string[]
  @Cost({ size: 10 })
  @Field(() => [String], {
    nullable: true,
    description: 'What the checks of the version could not prove. For ANALYST, MODEL_MANAGER and ADMIN.',
  })
  warnings: readonly string[]
}

@ObjectType({ description: 'A model with a valid contract.' })
export class Model {
  @Field(() => String) name: string
  @Field(() => String, { description: "The model's key in ModelFeaturesInput." }) inputField: string
  @Cost({ size: 40 }) @Field(() => [FeatureContract]) contract: FeatureContract[]
  @Cost({ size: 10 }) @Field(() => [ModelVersion]) versions: ModelVersion[]
  @Field(() => ModelVersion, { nullable: true, description: 'The version that answers; null where none may serve.' }) champion:
    | ModelVersion
    | undefined
}
