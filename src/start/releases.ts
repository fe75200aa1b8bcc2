import { StoredAdmission } from '../releases/intake/storedAdmission.js'
import type { ReleaseParts } from '../resolvers/releaseResolver.js'
import { ComparisonStore } from '../storage/releases/comparisonStore.js'
import type { Audit } from './audit.js'
import type { Kit } from './kit.js'
import type { Models } from './models.js'

interface Needs {
  readonly models: Models
  readonly audit: Audit
}

/** The parts of the API that show and change which versions serve. */
export function startReleases({ config, database }: Kit, { models, audit }: Needs): ReleaseParts {
  const { store, checks, control, rollouts, isTrusted } = models.versionStore
  return {
    control,
    rollouts,
    isTrusted,
    mlflowUrl: config.mlflow?.url,
    pairs: new ComparisonStore(database),
    admitAgain: new StoredAdmission({
      store,
      checks,
      contracts: models.sources.contracts,
      audit: (actor, { model, version, content, problems }) =>
        audit.writer.write([{ ...actor, action: 'model.admitted', subject: model, details: { version, content, problems } }]),
    }),
  }
}
