CREATE TABLE "webhook_previous_secrets" (
	"webhook_id" uuid NOT NULL,
	"secret" text NOT NULL,
	"until" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "webhook_previous_secrets_webhook_id_secret_pk" PRIMARY KEY("webhook_id","secret")
);
--> statement-breakpoint
INSERT INTO "webhook_previous_secrets" ("webhook_id", "secret", "until")
	SELECT "id", "previous_secret", "previous_secret_until" FROM "webhooks" WHERE "previous_secret_until" > now();--> statement-breakpoint
ALTER TABLE "webhooks" DROP COLUMN "previous_secret";--> statement-breakpoint
ALTER TABLE "webhooks" DROP COLUMN "previous_secret_until";