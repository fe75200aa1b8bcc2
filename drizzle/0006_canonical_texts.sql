CREATE TABLE "former_references" (
	"tenant" text NOT NULL,
	"digest" text NOT NULL,
	"former" text NOT NULL,
	CONSTRAINT "former_references_tenant_digest_former_pk" PRIMARY KEY("tenant","digest","former")
);
--> statement-breakpoint
CREATE TABLE "text_check" (
	"complete" boolean NOT NULL,
	"round_from" uuid NOT NULL,
	"round_to" uuid NOT NULL,
	"tenant" text,
	"last_id" uuid NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
-- Upkeep does the work, in pages: a rewrite here would lock the history of years.
INSERT INTO "text_check" ("complete", "round_from", "round_to", "last_id", "ends_at")
SELECT NOT EXISTS (SELECT FROM "predictions"), '00000000-0000-0000-0000-000000000000', '00000000-0000-0000-0000-000000000000',
	'00000000-0000-0000-0000-000000000000', now() + interval '30 days';
