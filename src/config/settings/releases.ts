import { flag } from './forms.js'

/** Who may change which versions serve. */
export const releaseSettings = {
  RISKGATE_RELEASE_APPROVAL: flag
    .default(false)
    .describe(
      '`true`: a promotion, a split and a retirement wait until a second principal approves. A rollback never waits. ' +
        '[More](../models.md#releases)',
    ),
}
