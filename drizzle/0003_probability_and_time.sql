DROP INDEX "predictions_by_probability";--> statement-breakpoint
CREATE INDEX "predictions_by_probability" ON "predictions" USING btree ("tenant","probability","id","created_at");