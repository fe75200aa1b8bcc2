import { sql } from 'drizzle-orm'
import { bigint, index, integer, pgTable, primaryKey, smallint, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core'
import type { DeliveryState } from '../../webhooks/webhookOutbox.js'
import { instant, optionalInstant, xid8 } from './columns.js'

/** A subscriber that is called by HTTP. Its position in the feed is `epoch`, `xid`, `seq`. */
export const webhooks = pgTable(
  'webhooks',
  {
    id: uuid().primaryKey(),
    tenant: text().notNull(),
    url: text().notNull(),
    description: text(),
    secret: text().notNull(),
    bands: smallint().array(),
    model: text(),
    createdAt: instant(),
    createdBy: text().notNull(),
    epoch: integer().notNull(),
    xid: xid8().notNull(),
    seq: bigint({ mode: 'bigint' }).notNull(),
  },
  table => [index('webhooks_of_tenant').on(table.tenant, table.id)],
)

/** Replaced secrets that sign for a while, beside the one of the webhook. */
export const webhookPreviousSecrets = pgTable(
  'webhook_previous_secrets',
  {
    webhookId: uuid().notNull(),
    secret: text().notNull(),
    until: instant(),
  },
  table => [primaryKey({ columns: [table.webhookId, table.secret] })],
)

/** One alert on its way to one webhook. */
export const webhookDeliveries = pgTable(
  'webhook_deliveries',
  {
    id: uuid().primaryKey(),
    webhookId: uuid().notNull(),
    tenant: text().notNull(),
    alertId: uuid().notNull(),
    state: text().$type<DeliveryState>().notNull(),
    attempts: integer().notNull().default(0),
    /** HTTP status of the last answer; null when there was none. */
    lastStatus: integer(),
    /** Why the last attempt failed, in a sentence. */
    lastError: text(),
    createdAt: instant(),
    lastAttemptAt: optionalInstant(),
    /** When the next attempt may begin. While one runs: when its gateway counts as gone. */
    dueAt: instant().default(sql`now()`),
    /** Counts how often it was taken or begun anew: the result of an earlier turn no longer counts. */
    turn: integer().notNull().default(0),
  },
  table => [
    uniqueIndex('webhook_deliveries_once').on(table.webhookId, table.alertId),
    index('webhook_deliveries_newest').on(table.webhookId, table.id),
    index('webhook_deliveries_by_state').on(table.webhookId, table.state, table.id),
    index('webhook_deliveries_last').on(table.webhookId, table.state, table.lastAttemptAt),
    index('webhook_deliveries_due').on(table.webhookId, table.dueAt).where(sql`state = 'PENDING'`),
  ],
)
