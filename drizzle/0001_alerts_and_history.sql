CREATE TABLE "audit_entries" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_entries_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"tenant" text NOT NULL,
	"at" timestamp (3) with time zone NOT NULL,
	"principal" text NOT NULL,
	"action" text NOT NULL,
	"subject" text NOT NULL,
	"details" jsonb NOT NULL
);
--> statement-breakpoint
CREATE TABLE "risk_deltas" (
	"tenant" text NOT NULL,
	"model" text NOT NULL,
	"model_version" text NOT NULL,
	"quarter" timestamp (3) with time zone NOT NULL,
	"band" smallint NOT NULL,
	"predictions" integer NOT NULL,
	"probability_sum" double precision NOT NULL,
	"high_risk" integer NOT NULL,
	"outcomes" integer NOT NULL,
	"defaults" integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE "risk_rollups" (
	"tenant" text NOT NULL,
	"model" text NOT NULL,
	"model_version" text NOT NULL,
	"quarter" timestamp (3) with time zone NOT NULL,
	"band" smallint NOT NULL,
	"predictions" integer NOT NULL,
	"probability_sum" double precision NOT NULL,
	"high_risk" integer NOT NULL,
	"outcomes" integer NOT NULL,
	"defaults" integer NOT NULL,
	"minutes" smallint NOT NULL,
	CONSTRAINT "risk_rollups_tenant_minutes_quarter_model_model_version_band_pk" PRIMARY KEY("tenant","minutes","quarter","model","model_version","band")
);
--> statement-breakpoint
CREATE TABLE "webhook_deliveries" (
	"id" uuid PRIMARY KEY NOT NULL,
	"webhook_id" uuid NOT NULL,
	"tenant" text NOT NULL,
	"alert_id" uuid NOT NULL,
	"state" text NOT NULL,
	"attempts" integer DEFAULT 0 NOT NULL,
	"last_status" integer,
	"last_error" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"last_attempt_at" timestamp (3) with time zone,
	"queued_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "webhooks" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"url" text NOT NULL,
	"description" text,
	"secret" text NOT NULL,
	"previous_secret" text,
	"previous_secret_until" timestamp (3) with time zone,
	"bands" smallint[],
	"model" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"created_by" text NOT NULL,
	"epoch" integer NOT NULL,
	"xid" "xid8" NOT NULL,
	"seq" bigint NOT NULL
);
--> statement-breakpoint
DROP INDEX "predictions_newest";--> statement-breakpoint
ALTER TABLE "predictions" DROP CONSTRAINT "predictions_pkey";--> statement-breakpoint
ALTER TABLE "predictions" ADD CONSTRAINT "predictions_tenant_id_pk" PRIMARY KEY("tenant","id");--> statement-breakpoint
ALTER TABLE "alerts" ADD COLUMN "acknowledged_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "alerts" ADD COLUMN "acknowledged_by" text;--> statement-breakpoint
ALTER TABLE "feed_epochs" ADD COLUMN "expired_xid" "xid8";--> statement-breakpoint
ALTER TABLE "feed_epochs" ADD COLUMN "expired_seq" bigint;--> statement-breakpoint
ALTER TABLE "predictions" ADD COLUMN "defaulted" boolean;--> statement-breakpoint
ALTER TABLE "predictions" ADD COLUMN "outcome_observed_at" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "predictions" ADD COLUMN "outcome_recorded_by" text;--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_deliveries_once" ON "webhook_deliveries" USING btree ("webhook_id","alert_id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_newest" ON "webhook_deliveries" USING btree ("webhook_id","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_by_state" ON "webhook_deliveries" USING btree ("webhook_id","state","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_last" ON "webhook_deliveries" USING btree ("webhook_id","state","last_attempt_at");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_unqueued" ON "webhook_deliveries" USING btree ("id") WHERE queued_at is null;--> statement-breakpoint
CREATE INDEX "webhooks_of_tenant" ON "webhooks" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "alerts_open" ON "alerts" USING btree ((case when acknowledged_at is null then tenant end),"epoch","xid","seq") WHERE acknowledged_at is null;--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_time" ON "idempotency_keys" USING brin ("created_at" timestamptz_minmax_multi_ops) WITH (autosummarize=on);--> statement-breakpoint
CREATE INDEX "predictions_by_band" ON "predictions" USING btree ("tenant","band","id");--> statement-breakpoint
CREATE INDEX "predictions_by_version" ON "predictions" USING btree ("tenant","model","model_version","id");--> statement-breakpoint
CREATE INDEX "predictions_by_probability" ON "predictions" USING btree ("tenant","probability","id");--> statement-breakpoint
CREATE INDEX "predictions_by_channel" ON "predictions" USING btree ("tenant","channel","id") WHERE channel is not null;--> statement-breakpoint
CREATE INDEX "predictions_high_risk" ON "predictions" USING btree ("tenant","id") WHERE high_risk;--> statement-breakpoint
CREATE INDEX "predictions_without_outcome" ON "predictions" USING btree ("tenant","id") WHERE defaulted is null;--> statement-breakpoint
CREATE INDEX "predictions_with_outcome" ON "predictions" USING btree ("tenant","id") WHERE defaulted is not null;--> statement-breakpoint
-- The statistics begin with what is there.
INSERT INTO "risk_deltas" ("tenant", "model", "model_version", "quarter", "band", "predictions", "probability_sum", "high_risk", "outcomes", "defaults")
SELECT "tenant", "model", "model_version", date_bin('15 minutes', "created_at", timestamptz '2000-01-01 00:00Z'), "band",
	count(*), sum("probability"), count(*) FILTER (WHERE "high_risk"), 0, 0
FROM "predictions" GROUP BY 1, 2, 3, 4, 5;
