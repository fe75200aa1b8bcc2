import { flag, secret, wholeNumber } from './forms.js'

/** How model versions are checked. */
export const modelSettings = {
  RISKGATE_ADMISSION_SECONDS: wholeNumber(1, 3_600)
    .default(60)
    .describe('seconds that the checks of a model version may take; then it is REJECTED'),
  RISKGATE_ADMISSION_MEMORY_MIB: wholeNumber(256, 1_048_576)
    .default(2_048)
    .describe('MiB of memory that the process of these checks may have'),
  RISKGATE_RELEASE_KEY: secret
    .optional()
    .describe(
      'signs the reports of these checks, the same for all replicas. In development one is derived from the key of the state directory',
    ),
  RISKGATE_RELEASE_APPROVAL: flag
    .default(false)
    .describe(
      '`true`: a promotion, a split and a retirement wait until a second principal approves. A rollback never waits. ' +
        '[More](../releases.md#change-a-rollout)',
    ),
}
