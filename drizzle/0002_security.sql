CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"principal" text NOT NULL,
	"description" text,
	"roles" text[] NOT NULL,
	"digest" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"last_used_at" timestamp (3) with time zone,
	"revoked_at" timestamp (3) with time zone,
	"revoked_by" text
);
--> statement-breakpoint
CREATE TABLE "audit_key" (
	"key" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "audit_seals" (
	"number" integer PRIMARY KEY NOT NULL,
	"last_epoch" integer NOT NULL,
	"last_xid" "xid8" NOT NULL,
	"last_id" bigint NOT NULL,
	"entries" integer NOT NULL,
	"hash" text NOT NULL,
	"sealed_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
-- Entries from before stand first in the order.
ALTER TABLE "audit_entries" ADD COLUMN "epoch" integer NOT NULL DEFAULT 0;--> statement-breakpoint
ALTER TABLE "audit_entries" ADD COLUMN "xid" "xid8" NOT NULL DEFAULT '0';--> statement-breakpoint
ALTER TABLE "audit_entries" ALTER COLUMN "epoch" DROP DEFAULT, ALTER COLUMN "xid" DROP DEFAULT;--> statement-breakpoint
CREATE INDEX "api_keys_of_tenant" ON "api_keys" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "api_keys_open" ON "api_keys" USING btree ("tenant","id") WHERE revoked_at is null;--> statement-breakpoint
CREATE UNIQUE INDEX "audit_entries_order" ON "audit_entries" USING btree ("epoch","xid","id");--> statement-breakpoint
CREATE INDEX "audit_entries_of_tenant" ON "audit_entries" USING btree ("tenant","at","id");--> statement-breakpoint
CREATE INDEX "audit_entries_by_subject" ON "audit_entries" USING btree ("tenant","subject","at","id");--> statement-breakpoint
CREATE INDEX "audit_entries_by_principal" ON "audit_entries" USING btree ("tenant","principal","at","id");--> statement-breakpoint
CREATE INDEX "audit_entries_by_action" ON "audit_entries" USING btree ("tenant","action","at","id");--> statement-breakpoint
INSERT INTO "audit_key" ("key") VALUES (encode(sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8')), 'hex'));--> statement-breakpoint
CREATE FUNCTION refuse_change_of_audit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'The audit is only ever added to.';
END $$;--> statement-breakpoint
CREATE TRIGGER audit_entries_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_entries" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();--> statement-breakpoint
CREATE TRIGGER audit_seals_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON "audit_seals" FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_audit();
