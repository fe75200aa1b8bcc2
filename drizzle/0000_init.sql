CREATE TABLE "alerts" (
	"prediction_id" uuid PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"epoch" integer NOT NULL,
	"xid" "xid8" NOT NULL,
	"seq" bigint GENERATED ALWAYS AS IDENTITY (sequence name "alerts_seq_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"raised_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "feed_epochs" (
	"ordinal" integer PRIMARY KEY NOT NULL,
	"tag" text NOT NULL,
	"cluster" text NOT NULL,
	"started_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "idempotency_keys" (
	"tenant" text NOT NULL,
	"principal" text NOT NULL,
	"key" text NOT NULL,
	"prediction_id" uuid NOT NULL,
	"digest" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "idempotency_keys_tenant_principal_key_pk" PRIMARY KEY("tenant","principal","key")
);
--> statement-breakpoint
CREATE TABLE "predictions" (
	"id" uuid PRIMARY KEY NOT NULL,
	"tenant" text NOT NULL,
	"applicant_id" text NOT NULL,
	"model" text NOT NULL,
	"model_version" text NOT NULL,
	"probability" double precision NOT NULL,
	"band" smallint NOT NULL,
	"high_risk" boolean NOT NULL,
	"features" jsonb,
	"channel" text,
	"created_at" timestamp (3) with time zone NOT NULL,
	"requested_by" text NOT NULL
) PARTITION BY RANGE ("id");
--> statement-breakpoint
CREATE UNIQUE INDEX "alerts_feed" ON "alerts" USING btree ("epoch","xid","seq");--> statement-breakpoint
CREATE INDEX "alerts_feed_of_tenant" ON "alerts" USING btree ("tenant","epoch","xid","seq");--> statement-breakpoint
CREATE INDEX "predictions_newest" ON "predictions" USING btree ("tenant","id");--> statement-breakpoint
CREATE INDEX "predictions_by_applicant" ON "predictions" USING btree ("tenant","applicant_id","id");--> statement-breakpoint
CREATE INDEX "predictions_by_requester" ON "predictions" USING btree ("tenant","requested_by","id");