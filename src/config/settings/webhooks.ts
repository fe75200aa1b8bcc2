import { isNeverCalledNetwork } from '../../webhooks/targetAddresses.js'
import { flag, isAddressRange, list, wholeNumber } from './forms.js'

/** Where webhooks may go, and how often a delivery is tried. */
export const webhookSettings = {
  RISKGATE_WEBHOOK_ALLOW_PRIVATE: flag
    .default(false)
    .describe('`true` allows webhooks to all private and loopback addresses, and over plain HTTP. For development'),
  RISKGATE_WEBHOOK_PRIVATE_NETWORKS: list(isAddressRange, 'IP addresses or ranges such as 10.0.0.0/8')
    .refine(
      networks => !networks.some(isNeverCalledNetwork),
      'must not name a network of link-local or metadata addresses: they are never called',
    )
    .default([])
    .describe(
      'networks of your own that webhooks may go to, also over plain HTTP. Everywhere else they go to public addresses over HTTPS. ' +
        'Link-local and metadata addresses are never called',
    ),
  RISKGATE_WEBHOOK_ATTEMPTS: wholeNumber(1, 20).default(12).describe('attempts before a delivery is DEAD'),
  RISKGATE_WEBHOOK_RETRY_SECONDS: wholeNumber(1, 3_600)
    .default(5)
    .describe('pause before the second attempt: this long to twice as long, by chance; each further pause doubles'),
  RISKGATE_WEBHOOK_RETRY_AFTER_SECONDS: wholeNumber(0, 86_400)
    .default(3_600)
    .describe('longest pause that an endpoint may ask for by `Retry-After` in an answer 429 or 503; 0: none'),
}
