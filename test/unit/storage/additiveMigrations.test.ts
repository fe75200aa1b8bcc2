import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { contractions } from '../support/contractions.js'

/** Migrations up to here came with the first release: no gateway ran before them. */
const FIRST_RELEASE = '0003'

/** Statements that take something from a gateway of the release before, each with the reason why that was accepted. */
const ACCEPTED: Readonly<Record<string, string>> = {
  'DROP INDEX "webhook_deliveries_unqueued"': 'only webhooks of 0.2.0 use it: docs/operations/upgrades.md asks for a stop',
  'ALTER TABLE "webhook_deliveries" DROP COLUMN "queued_at"': 'the same',
  'ALTER TABLE "webhooks" DROP COLUMN "previous_secret"': 'the same',
  'ALTER TABLE "webhooks" DROP COLUMN "previous_secret_until"': 'the same',
}

describe('the migrations', () => {
  const files = readdirSync('drizzle').filter(name => name.endsWith('.sql') && name.slice(0, 4) > FIRST_RELEASE)
  const found = files.flatMap(name => contractions(readFileSync(`drizzle/${name}`, 'utf8')))

  it('only add: a gateway of the release before goes on beside the new one', () => {
    expect(files.length).toBeGreaterThan(0)
    expect(found.filter(statement => !(statement in ACCEPTED))).toEqual([])
  })

  it('hold every statement that was accepted all the same', () => {
    expect(Object.keys(ACCEPTED).filter(statement => !found.includes(statement))).toEqual([])
  })
})

describe('contractions', () => {
  it.each([
    'DROP TABLE "alerts"',
    'DROP INDEX "alerts_feed"',
    'TRUNCATE "alerts"',
    'ALTER TABLE "alerts" RENAME TO "warnings"',
    'ALTER TABLE "alerts" RENAME COLUMN "xid" TO "transaction"',
    'ALTER TABLE "alerts" DROP COLUMN "xid"',
    'ALTER TABLE "alerts" DROP CONSTRAINT "alerts_pkey"',
    'ALTER TABLE "alerts" ALTER COLUMN "seq" SET DATA TYPE text',
    'ALTER TABLE "alerts" ALTER COLUMN "seq" TYPE text USING seq::text',
    'ALTER TABLE "alerts" ALTER COLUMN "acknowledged_by" SET NOT NULL',
    'ALTER TABLE "webhook_deliveries" ALTER COLUMN "turn" DROP DEFAULT',
    'ALTER TABLE "alerts" ADD COLUMN "why" text NOT NULL',
    'ALTER TABLE "alerts" ADD CONSTRAINT "one" UNIQUE("tenant")',
    'ALTER TABLE "alerts" ADD COLUMN "a" text, ADD COLUMN "b" text NOT NULL',
    'CREATE UNIQUE INDEX "one" ON "alerts" USING btree ("tenant")',
    'CREATE TRIGGER "stop" BEFORE INSERT ON "alerts" FOR EACH ROW EXECUTE FUNCTION f()',
    "ALTER TYPE \"mood\" RENAME VALUE 'a' TO 'b'",
  ])('are found: %s', statement => {
    expect(contractions(`-- Why.\nCREATE TABLE "other" ("id" uuid);--> statement-breakpoint\n${statement};`)).toEqual([statement])
  })

  it.each([
    'ALTER TABLE "alerts" ADD COLUMN "why" text',
    'ALTER TABLE "alerts" ADD COLUMN "at" timestamp (3) with time zone DEFAULT now() NOT NULL',
    'ALTER TABLE "alerts" ADD COLUMN "n" bigint GENERATED ALWAYS AS IDENTITY NOT NULL',
    'CREATE INDEX "some" ON "alerts" USING btree ("tenant")',
    'CREATE TABLE "more" ("id" uuid NOT NULL);\nALTER TABLE "more" ADD CONSTRAINT "one" UNIQUE("id")',
    'CREATE TABLE "more" ("id" uuid NOT NULL);\nCREATE UNIQUE INDEX "one" ON "more" USING btree ("id")',
    'INSERT INTO "alerts" SELECT \'DROP TABLE alerts; TRUNCATE alerts\'',
    'CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN TRUNCATE "alerts"; END $$',
    '-- DROP TABLE "alerts";\nCREATE TABLE "more" ("id" uuid)',
  ])('are not found: %s', statement => {
    expect(contractions(`${statement};`)).toEqual([])
  })
})
