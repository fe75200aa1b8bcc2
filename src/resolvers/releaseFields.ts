import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql'
import type { StoredVersion } from '../releases/rollout/versionStore.js'
import { AdmissionReport, ModelVersionOrigin } from '../schema/admissionReport.js'
import { Model, ModelVersion } from '../schema/model.js'
import { Rollout } from '../schema/rollout.js'
import type { RequestContext } from './context.js'
import type { ReleaseParts } from './releaseResolver.js'
import { toOrigin, toReport, toRollout } from './releaseView.js'

const JUDGES = 'For ANALYST, MODEL_MANAGER and ADMIN.'

@Resolver(() => Model)
export class ModelReleaseFields {
  @FieldResolver(() => Rollout, { nullable: true, description: `Which of its versions serve, as the store has it. ${JUDGES}` })
  async rollout(@Root() { name }: Model, @Ctx() { loaders }: RequestContext): Promise<Rollout> {
    const { rollout, versions } = await loaders().releasesOfModel.load(name)
    return toRollout(rollout, versions)
  }
}

@Resolver(() => ModelVersion)
export class ModelVersionReleaseFields {
  readonly #parts: Pick<ReleaseParts, 'isTrusted' | 'mlflowUrl'>

  constructor(parts: Pick<ReleaseParts, 'isTrusted' | 'mlflowUrl'>) {
    this.#parts = parts
  }

  @FieldResolver(() => AdmissionReport, {
    nullable: true,
    description: `What its checks found; null where no gateway has checked it. ${JUDGES}`,
  })
  async report(@Root() version: ModelVersion, @Ctx() context: RequestContext): Promise<AdmissionReport | null> {
    const stored = await storedOf(version, context)
    return stored ? toReport(stored, this.#parts.isTrusted) : null
  }

  @FieldResolver(() => ModelVersionOrigin, {
    nullable: true,
    description: `Where it came from; null where no gateway has checked it. ${JUDGES}`,
  })
  async origin(@Root() version: ModelVersion, @Ctx() context: RequestContext): Promise<ModelVersionOrigin | null> {
    const stored = await storedOf(version, context)
    return stored ? toOrigin(stored.origin, this.#parts.mlflowUrl) : null
  }
}

async function storedOf({ name, version }: ModelVersion, { loaders }: RequestContext): Promise<StoredVersion | undefined> {
  const { versions } = await loaders().releasesOfModel.load(name)
  return versions.find(stored => stored.version === version)
}
