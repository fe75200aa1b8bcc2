import { wholeNumber } from './forms.js'

/** When data is deleted. */
export const retentionSettings = {
  RISKGATE_ALERT_RETENTION_DAYS: wholeNumber(7, 3_650)
    .default(30)
    .describe('days that alerts are kept; an older cursor is CURSOR_EXPIRED'),
  RISKGATE_PREDICTION_RETENTION_DAYS: wholeNumber(7, 36_500)
    .optional()
    .describe('days that predictions are kept, not less than alerts; if not set: forever ([retention.md](retention.md))'),
}
