import { flag, wholeNumber } from './forms.js'

/** Where webhooks may go, and how often a delivery is tried. */
export const webhookSettings = {
  RISKGATE_WEBHOOK_ALLOW_PRIVATE: flag
    .default(false)
    .describe('`true` allows webhooks to private and loopback addresses, and over plain HTTP'),
  RISKGATE_WEBHOOK_ATTEMPTS: wholeNumber(1, 20).default(12).describe('attempts before a delivery is DEAD'),
  RISKGATE_WEBHOOK_RETRY_SECONDS: wholeNumber(1, 3_600)
    .default(5)
    .describe('pause before the second attempt: this long to twice as long, by chance; each further pause doubles'),
}
