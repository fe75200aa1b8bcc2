import { AppError } from '../errors.js'
import { ReleaseControl } from '../releases/rollout/releaseControl.js'
import type { ReleaseParts } from '../resolvers/releaseResolver.js'
import { ComparisonStore } from '../storage/releases/comparisonStore.js'
import { PostgresRolloutStore } from '../storage/releases/rolloutStore.js'
import type { Kit } from './kit.js'

/** Builds the control of rollouts over the store. */
export function startReleases({ config, database }: Kit): ReleaseParts {
  const rollouts = new PostgresRolloutStore(database)
  const isTrusted = () => true
  return {
    rollouts,
    isTrusted,
    control: new ReleaseControl(rollouts, { isTrusted, needsApproval: config.releaseApproval }),
    pairs: new ComparisonStore(database),
    admitAgain: {
      run: () =>
        Promise.reject(new AppError('SERVICE_UNAVAILABLE', 'This gateway cannot check a version while it runs. Restart it.')),
    },
  }
}
