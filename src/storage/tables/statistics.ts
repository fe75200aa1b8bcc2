import { doublePrecision, integer, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core'
import { instant } from './columns.js'

const statistics = {
  tenant: text().notNull(),
  model: text().notNull(),
  modelVersion: text().notNull(),
  /** The quarter of an hour in which the predictions were made: whole for every time zone. */
  quarter: instant(),
  band: smallint().notNull(),
  predictions: integer().notNull(),
  probabilitySum: doublePrecision().notNull(),
  highRisk: integer().notNull(),
  /** Predictions with a recorded outcome, and those of them that defaulted. */
  outcomes: integer().notNull(),
  defaults: integer().notNull(),
}

/** What each write adds to the statistics, until it is folded into `risk_rollups`: writers never wait for each other's counts. */
export const riskDeltas = pgTable('risk_deltas', statistics)

/**
 * The statistics behind `riskSummary`: rollups and the deltas that are left are always the whole truth. Everything is there three
 * times, by quarter of an hour, by hour and by day of UTC, so that a long range is read in few rows.
 */
export const riskRollups = pgTable(
  'risk_rollups',
  {
    ...statistics,
    /** How long the time is that begins with the quarter: 15, 60 or 1,440. */
    minutes: smallint().notNull(),
  },
  table => [primaryKey({ columns: [table.tenant, table.minutes, table.quarter, table.model, table.modelVersion, table.band] })],
)
