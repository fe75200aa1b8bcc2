import { Arg, Ctx, FieldResolver, Mutation, Resolver, Root } from 'type-graphql'
import { MAX_OUTCOMES, type OutcomeReport, type RecordedOutcome, type RecordOutcomes } from '../monitoring/outcomes.js'
import { Cost, itemsUpTo } from '../schema/cost.js'
import {
  Outcome,
  RecordOutcomeInput,
  RecordOutcomePayload,
  RecordOutcomesInput,
  RecordOutcomesPayload,
} from '../schema/outcome.js'
import { Prediction } from '../schema/prediction.js'
import { asUuid } from '../storage/postgres/uuid.js'
import type { RequestContext } from './context.js'
import type { Loaders } from './loaders.js'

@Resolver(() => Prediction)
export class OutcomeResolver {
  readonly #recordOutcomes: RecordOutcomes

  constructor(recordOutcomes: RecordOutcomes) {
    this.#recordOutcomes = recordOutcomes
  }

  @Mutation(() => RecordOutcomePayload, {
    description:
      'Records what really happened with the loan, which feeds live model performance. A later record replaces it; repeating the same one changes nothing.',
  })
  async recordOutcome(
    @Arg('input', () => RecordOutcomeInput) input: RecordOutcomeInput,
    @Ctx() { loaders, principal }: RequestContext,
  ): Promise<RecordOutcomePayload> {
    const recorded = await this.#recordOutcomes.run(toReport(input), principal)
    return { prediction: shown(recorded, loaders()) }
  }

  @Cost({ rows: itemsUpTo(MAX_OUTCOMES) })
  @Mutation(() => RecordOutcomesPayload, {
    description:
      'Records 1..1,000 outcomes in one call. A bad row gets an error of its own; the others are recorded. The results keep the order of the list.',
  })
  async recordOutcomes(
    @Arg('input', () => RecordOutcomesInput) { items }: RecordOutcomesInput,
    @Ctx() { loaders, principal }: RequestContext,
  ): Promise<RecordOutcomesPayload> {
    const answers = await this.#recordOutcomes.runAll(items.map(toReport), principal)
    return {
      results: answers.map((answer, index) =>
        'problems' in answer
          ? { index, prediction: null, errors: answer.problems }
          : { index, prediction: shown(answer, loaders()), errors: [] },
      ),
    }
  }

  @FieldResolver(() => Outcome, {
    nullable: true,
    description:
      'What really happened with the loan, as last recorded; null before that. For ANALYST and ADMIN, and for a SCORER on its own predictions; for others null with FORBIDDEN at this path.',
  })
  outcome(@Root() { id }: Prediction, @Ctx() { loaders }: RequestContext): Promise<Outcome | null> {
    return loaders().outcomeById.load(id)
  }
}

function toReport({ predictionId, defaulted, observedAt }: RecordOutcomeInput): OutcomeReport {
  return { predictionId: asUuid(predictionId), defaulted, observedAt }
}

/** The prediction with its new outcome: it is known here, so that an answer does not depend on another read. */
function shown({ prediction, outcome }: RecordedOutcome, { outcomeById }: Loaders): Prediction {
  outcomeById.clear(prediction.id).prime(prediction.id, outcome)
  return prediction
}
