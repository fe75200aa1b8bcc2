import {
  bigint,
  boolean,
  customType,
  doublePrecision,
  index,
  integer,
  json,
  pgTable,
  primaryKey,
  smallint,
  text,
  uuid,
} from 'drizzle-orm/pg-core'
import { instant, optionalInstant } from './columns.js'

const bytea = customType<{ data: Uint8Array }>({ dataType: () => 'bytea' })

/** The versions that some gateway has checked. JSON is kept as it was written: a report is signed. */
export const modelVersions = pgTable(
  'model_versions',
  {
    model: text().notNull(),
    version: text().notNull(),
    /** SHA-256 of what decides its answers: graph, inputs, output and bands. Null where the manifest could not be read. */
    identity: text(),
    /** SHA-256 of everything that was checked. */
    content: text().notNull(),
    /** The texts of contract.json and manifest.json. */
    contract: text(),
    manifest: text(),
    files: json().notNull(),
    report: json().notNull(),
    signature: text(),
    origin: json().notNull(),
    storedAt: instant(),
    /** Whether it has served, or has made a prediction: its answers must stay what they were. */
    used: boolean().notNull(),
    /** Grows by one when another report replaces this one. */
    revision: integer().notNull(),
  },
  table => [primaryKey({ columns: [table.model, table.version] })],
)

/** Files of versions, in parts: no statement is long, or it would hold the alert feed back. */
export const modelFiles = pgTable(
  'model_files',
  {
    sha256: text().notNull(),
    /** 0, 1, 2 and so on. */
    part: integer().notNull(),
    /** The number of parts of the whole file. */
    parts: integer().notNull(),
    bytes: bytea().notNull(),
  },
  table => [primaryKey({ columns: [table.sha256, table.part] })],
)

/** Which versions of a model serve. */
export const modelRollouts = pgTable('model_rollouts', {
  model: text().primaryKey(),
  champion: text(),
  challenger: text(),
  challengerShare: doublePrecision(),
  shadow: text(),
  shadowShare: doublePrecision(),
  /** The newest first. */
  earlier: text().array().notNull(),
  retired: text().array().notNull(),
  revision: integer().notNull(),
  changedAt: instant(),
  /** The version that the folder last named as champion, and MLflow; null while it has named none. */
  folderSaid: text(),
  folderSaidAt: optionalInstant(),
  mlflowSaid: text(),
  mlflowSaidAt: optionalInstant(),
})

/** One row, made by the migration. It grows with each change of a version or rollout, so that gateways poll one number. */
export const releaseRevision = pgTable('release_revision', { revision: bigint({ mode: 'bigint' }).notNull() })

/** Changes of rollouts, made or proposed. */
export const releaseChanges = pgTable(
  'release_changes',
  {
    id: uuid().primaryKey(),
    model: text().notNull(),
    /** PROMOTE, ROLLBACK, SPLIT or RETIRE. */
    action: text().notNull(),
    /** The versions and shares that the action names. */
    details: json().notNull(),
    reason: text().notNull(),
    proposedBy: text().notNull(),
    /** The tenant of the principal: versions serve all tenants, principals belong to one. */
    proposedIn: text().notNull(),
    proposedAt: instant(),
    decidedBy: text(),
    decidedIn: text(),
    decidedAt: optionalInstant(),
    decisionReason: text(),
    /** PROPOSED, APPLIED or REFUSED. */
    state: text().notNull(),
  },
  table => [index('release_changes_of_model').on(table.model, table.id)],
)

/**
 * Scores that nobody was answered with: those of a shadow, and the champion's where a challenger answered. In the order of the
 * predictions of a version, so that the two are compared in one pass over both.
 */
export const shadowScores = pgTable(
  'shadow_scores',
  {
    predictionId: uuid().notNull(),
    tenant: text().notNull(),
    model: text().notNull(),
    version: text().notNull(),
    probability: doublePrecision().notNull(),
    band: smallint().notNull(),
    createdAt: instant(),
  },
  table => [
    primaryKey({ columns: [table.tenant, table.model, table.version, table.predictionId] }),
    // For retention, as for idempotency keys.
    index('shadow_scores_by_time')
      .using('brin', table.createdAt.op('timestamptz_minmax_multi_ops'))
      .with({ autosummarize: 'on' }),
  ],
)
