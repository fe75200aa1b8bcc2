import { doublePrecision, integer, pgTable, primaryKey, smallint, text } from 'drizzle-orm/pg-core'
import { instant } from './columns.js'

const statistics = {
  tenant: text().notNull(),
  model: text().notNull(),
  modelVersion: text().notNull(),
  /** The quarter of an hour in which the predictions were made: the hours of every time zone consist of whole ones. */
  quarter: instant(),
  band: smallint().notNull(),
  predictions: integer().notNull(),
  probabilitySum: doublePrecision().notNull(),
  highRisk: integer().notNull(),
  /** Predictions with a recorded outcome, and those of them that defaulted. */
  outcomes: integer().notNull(),
  defaults: integer().notNull(),
}

/** The counts that each write adds, until they are folded into `risk_rollups`: writers never wait for each other's counts. */
export const riskDeltas = pgTable('risk_deltas', statistics)

/**
 * The statistics behind `riskSummary`: rollups and unfolded deltas together are always complete. Each count is stored three
 * times, by quarter of an hour, by hour and by day of UTC, so that a long range is read in few rows.
 */
export const riskRollups = pgTable(
  'risk_rollups',
  {
    ...statistics,
    /** The length of the time that begins with the quarter: 15, 60 or 1,440. */
    minutes: smallint().notNull(),
  },
  table => [primaryKey({ columns: [table.tenant, table.minutes, table.quarter, table.model, table.modelVersion, table.band] })],
)
