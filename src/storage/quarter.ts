/** The quarter of an hour that the statistics count a prediction in, of its column `created_at`. */
export const QUARTER = `date_bin('15 minutes', created_at, timestamptz '2000-01-01 00:00Z')`
