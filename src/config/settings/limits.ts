import { text, wholeNumber } from './forms.js'

/** What a caller may ask for. */
export const limitSettings = {
  RISKGATE_BODY_LIMIT_BYTES: wholeNumber(1_024, 64 * 1024 * 1024)
    .default(1024 * 1024)
    .describe('largest request body in bytes, 1 KiB to 64 MiB'),
  RISKGATE_RATE_LIMIT_PRINCIPAL: wholeNumber(0, 100_000_000)
    .default(100_000)
    .describe('points (operations and rows) of one principal in 10 s; 0: no limit. In development the default is 0'),
  RISKGATE_RATE_LIMIT_TENANT: wholeNumber(0, 100_000_000)
    .default(200_000)
    .describe('the same for all principals of a tenant together. In development the default is 0'),
  RISKGATE_RATE_LIMIT_ADDRESS: wholeNumber(0, 1_000_000)
    .default(600)
    .describe('calls of one address in a minute that are anonymous or fail authentication; 0: no limit'),
  RISKGATE_MAX_STREAMS: wholeNumber(1, 100_000)
    .default(2_000)
    .describe('open subscriptions of one principal on one replica; a long request counts once for each 2 KiB'),
  RISKGATE_TRUSTED_DOCUMENTS: text
    .optional()
    .describe(
      "the path of a manifest of codegen's client preset (SHA-256 to text): only its documents run, for every caller. " +
        '[More](../security/query-limits.md#registered-documents)',
    ),
}
