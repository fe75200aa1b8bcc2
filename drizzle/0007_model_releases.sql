CREATE TABLE "model_files" (
	"sha256" text NOT NULL,
	"part" integer NOT NULL,
	"parts" integer NOT NULL,
	"bytes" "bytea" NOT NULL,
	CONSTRAINT "model_files_sha256_part_pk" PRIMARY KEY("sha256","part")
);
--> statement-breakpoint
CREATE TABLE "model_rollouts" (
	"model" text PRIMARY KEY NOT NULL,
	"champion" text,
	"challenger" text,
	"challenger_share" double precision,
	"shadow" text,
	"shadow_share" double precision,
	"earlier" text[] NOT NULL,
	"retired" text[] NOT NULL,
	"revision" integer NOT NULL,
	"changed_at" timestamp (3) with time zone NOT NULL,
	"folder_said" text,
	"folder_said_at" timestamp (3) with time zone,
	"mlflow_said" text,
	"mlflow_said_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "model_versions" (
	"model" text NOT NULL,
	"version" text NOT NULL,
	"identity" text,
	"content" text NOT NULL,
	"contract" text,
	"manifest" text,
	"files" json NOT NULL,
	"report" json NOT NULL,
	"signature" text,
	"origin" json NOT NULL,
	"stored_at" timestamp (3) with time zone NOT NULL,
	"used" boolean NOT NULL,
	"revision" integer NOT NULL,
	CONSTRAINT "model_versions_model_version_pk" PRIMARY KEY("model","version")
);
--> statement-breakpoint
CREATE TABLE "release_changes" (
	"id" uuid PRIMARY KEY NOT NULL,
	"model" text NOT NULL,
	"action" text NOT NULL,
	"details" json NOT NULL,
	"reason" text NOT NULL,
	"proposed_by" text NOT NULL,
	"proposed_in" text NOT NULL,
	"proposed_at" timestamp (3) with time zone NOT NULL,
	"decided_by" text,
	"decided_in" text,
	"decided_at" timestamp (3) with time zone,
	"decision_reason" text,
	"state" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "release_revision" (
	"revision" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "shadow_scores" (
	"prediction_id" uuid NOT NULL,
	"tenant" text NOT NULL,
	"model" text NOT NULL,
	"version" text NOT NULL,
	"probability" double precision NOT NULL,
	"band" smallint NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "shadow_scores_tenant_model_version_prediction_id_pk" PRIMARY KEY("tenant","model","version","prediction_id")
);
--> statement-breakpoint
CREATE INDEX "release_changes_of_model" ON "release_changes" USING btree ("model","id");--> statement-breakpoint
CREATE INDEX "shadow_scores_by_time" ON "shadow_scores" USING brin ("created_at" timestamptz_minmax_multi_ops) WITH (autosummarize=on);--> statement-breakpoint
-- The one row of the number that gateways poll.
INSERT INTO "release_revision" ("revision") VALUES (0);
