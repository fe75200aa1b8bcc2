import { Arg, Ctx, Query, Resolver } from 'type-graphql'
import { bucketsAtMost } from '../monitoring/buckets.js'
import type { RiskSummaries } from '../monitoring/riskSummary.js'
import { Cost } from '../schema/cost.js'
import { RiskSummary } from '../schema/riskSummary.js'
import { DateTime, type SummaryInterval, SummaryIntervalEnum } from '../schema/scalars.js'
import { RISK_BANDS } from '../scoring/bands.js'
import type { RequestContext } from './context.js'

@Resolver()
export class SummaryResolver {
  readonly #summaries: RiskSummaries

  constructor(summaries: RiskSummaries) {
    this.#summaries = summaries
  }

  // Each bucket is counted band by band, even where only its count is selected: fifteen years by day took half a second.
  @Cost({ rows: bucketsAtMost, leastOfRow: 1 + RISK_BANDS.length })
  @Query(() => RiskSummary, {
    description:
      'Volume, mean PD and band mix per time bucket, from <= t < to; answered from rollups, not by scanning history; at most 1,000 buckets. Intervals follow the clock of `timeZone`; weeks begin on Monday.',
  })
  riskSummary(
    @Ctx() { principal }: RequestContext,
    @Arg('from', () => DateTime) from: Date,
    @Arg('to', () => DateTime) to: Date,
    @Arg('interval', () => SummaryIntervalEnum, { defaultValue: 'DAY' }) interval: SummaryInterval,
    @Arg('timeZone', () => String, { nullable: true, defaultValue: 'UTC', description: 'Name of an IANA time zone.' })
    timeZone?: string | null,
    @Arg('model', () => String, { nullable: true, description: 'Only predictions of this model.' }) model?: string | null,
  ): Promise<RiskSummary> {
    const query = { from, to, interval, timeZone: timeZone ?? 'UTC', ...(model != null && { model }) }
    return this.#summaries.summarise(principal.tenant, query)
  }
}
