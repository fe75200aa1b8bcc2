import { Field, Float, Int, ObjectType } from 'type-graphql'
import { RISK_BANDS } from '../scoring/bands.js'
import { Cost } from './cost.js'
import { DateTime, ReleaseSourceEnum } from './scalars.js'

@ObjectType({ description: 'How well the probabilities of a version separate applications whose outcome is known.' })
export class ModelQuality {
  @Field(() => Int, { description: 'Golden rows whose outcome is known.' }) rows: number
  @Field(() => Float, { description: 'Area under the ROC curve: 0.5 for chance, 1 at best.' }) auc: number
  @Field(() => Float, { description: 'Kolmogorov-Smirnov statistic: 0 for chance, 1 at best.' }) ks: number
  @Field(() => Float, { description: '2 auc - 1.' }) gini: number
  @Field(() => Float, { description: 'Mean squared error of the probabilities: 0 at best.' }) brier: number
}

@ObjectType({ description: 'What the checks of a model version found before it might serve.' })
export class AdmissionReport {
  @Field(() => String, { description: 'SHA-256 of everything that was checked, hexadecimal.' }) content: string
  @Field(() => DateTime) checkedAt: Date
  @Field(() => String, { description: 'The programs that ran the checks.' }) checkedBy: string
  @Field(() => Boolean, { description: 'Whether a gateway with the key of the installation has signed it.' }) signed: boolean
  @Cost({ size: 10 })
  @Field(() => [String], { description: 'Why the version must not serve; none where it may.' })
  problems: readonly string[]
  @Cost({ size: 10 })
  @Field(() => [String], { description: 'Why it must not be champion or challenger, although it may serve as a shadow.' })
  championProblems: readonly string[]
  @Cost({ size: 10 })
  @Field(() => [String], { description: 'What the checks could not prove.' })
  warnings: readonly string[]
  @Field(() => Boolean, { description: 'Whether rows are run one by one: in company the graph gives them other bits.' })
  rowByRow: boolean
  @Field(() => Int, { nullable: true, description: 'Golden rows that were compared; null where it has none.' })
  goldenRows: number | undefined
  @Field(() => Float, { nullable: true, description: "The largest difference from the probabilities of the model's library." })
  worstGoldenDeviation: number | undefined
  @Cost({ size: RISK_BANDS.length })
  @Field(() => [Float], { nullable: true, description: 'The share of the scored rows in each band, T1 to T8.' })
  bandShares: readonly number[] | undefined
  @Field(() => ModelQuality, { nullable: true }) quality: ModelQuality | undefined
  @Field(() => String, { nullable: true, description: 'The champion that it was compared with.' })
  comparedWith: string | undefined
  @Field(() => ModelQuality, { nullable: true, description: 'That of this champion, on the same rows.' })
  championQuality: ModelQuality | undefined
  @Field(() => Float, { nullable: true, description: "Population stability index of the scores over this champion's bands." })
  populationStabilityIndex: number | undefined
  @Field(() => Float, { nullable: true, description: 'Milliseconds to load the model.' }) loadMs: number | undefined
  @Field(() => Float, { nullable: true, description: 'Milliseconds to score one row.' }) rowMs: number | undefined
  @Field(() => Float, { nullable: true, description: 'Bytes of memory of the checks at their peak.' })
  peakBytes: number | undefined
}

const NO_PAGE = 'Null for another source, and where RISKGATE_MLFLOW_URL is not set.'

@ObjectType({ description: 'Where a version came from.' })
export class ModelVersionOrigin {
  @Field(() => ReleaseSourceEnum) source: keyof typeof ReleaseSourceEnum
  @Field(() => String, { nullable: true, description: 'The name of the registered model in MLflow.' }) name: string | undefined
  @Field(() => String, { nullable: true, description: 'The version in MLflow.' }) version: string | undefined
  @Field(() => String, { nullable: true, description: 'The run in MLflow that logged it.' }) runId: string | undefined
  @Field(() => String, { nullable: true, description: `The page of the version in MLflow. ${NO_PAGE}` }) url: string | undefined
  @Field(() => String, {
    nullable: true,
    description: `The page of the run in MLflow, with its metrics and parameters. ${NO_PAGE}`,
  })
  runUrl: string | undefined
}
