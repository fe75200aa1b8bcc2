import { createHash } from 'node:crypto'
import { V7Generator } from 'uuidv7'
import type { Principal } from '../auth/principal.js'
import { AppError, badInput, type ErrorCode, inputProblem, type Problem } from '../errors.js'
import { type Tracer, UNTRACED } from '../tracer.js'
import { checkFeatures, type FeatureValues, problemAt } from './features.js'
import {
  type Application,
  ERASED_PREFIX,
  type IdempotencyKey,
  type PredictionRecorder,
  type Recorded,
  type RowResult,
} from './prediction.js'
import { LONGEST, mistakeInReference } from './reference.js'
import type { Release, Releases } from './release.js'

export const MAX_BATCH_ROWS = 100

const IDEMPOTENCY_KEY = /^[\x21-\x7e]{1,255}$/

export interface PredictRiskOptions {
  /** Milliseconds since 1970. */
  readonly now?: () => number
  readonly tracer?: Tracer
  /** Called for each application of a batch that was refused: the batch itself is answered without an error. */
  readonly rowRefused?: (code: ErrorCode) => void
}

/** Scores applications and stores them: the main job of the gateway. */
export class PredictRisk {
  readonly #releases: Pick<Releases, 'serving'>
  readonly #recorder: PredictionRecorder
  readonly #now: () => number
  readonly #tracer: Tracer
  readonly #rowRefused: (code: ErrorCode) => void
  readonly #ids = new V7Generator()

  constructor(
    releases: Pick<Releases, 'serving'>,
    recorder: PredictionRecorder,
    { now = Date.now, tracer = UNTRACED, rowRefused = () => {} }: PredictRiskOptions = {},
  ) {
    this.#releases = releases
    this.#recorder = recorder
    this.#now = now
    this.#tracer = tracer
    this.#rowRefused = rowRefused
  }

  /**
   * Scores one application, and returns after it is stored.
   * @throws AppError BAD_USER_INPUT with every problem, MODEL_NOT_FOUND, MODEL_OUTPUT_INVALID, IDEMPOTENCY_KEY_REUSED,
   * SERVICE_UNAVAILABLE (nothing stored) or OUTCOME_UNKNOWN
   */
  run(application: Application, principal: Principal): Promise<Recorded> {
    return this.#run(application, principal, this.#tracer)
  }

  async #run(application: Application, principal: Principal, tracer: Tracer): Promise<Recorded> {
    const release = this.#releases.serving(application.model, application.applicantId)
    const features = checkedFeatures(application, release)
    const score = await tracer.part('score', () => release.score(features))
    const { createdAt, id } = this.#newId()
    const prediction = {
      id,
      tenant: principal.tenant,
      applicantId: application.applicantId,
      model: release.manifest.model,
      modelVersion: release.manifest.version,
      ...score,
      channel: application.channel ?? null,
      createdAt,
      requestedBy: principal.id,
    }
    const idempotency = idempotencyOf(application, features)
    return tracer.part('commit', () => this.#recorder.record({ prediction, features, idempotency }))
  }

  /**
   * Scores 1..100 applications in order. One that fails gets problems of its own, and stops no other.
   * @throws AppError BAD_USER_INPUT for an empty or larger batch
   */
  async runBatch(applications: readonly Application[], principal: Principal): Promise<RowResult[]> {
    if (applications.length === 0 || applications.length > MAX_BATCH_ROWS) {
      throw badInput(inputProblem(`A batch takes 1 to ${MAX_BATCH_ROWS} items.`, 'items'))
    }
    // One span for all rows, not two for each: a trace of 200 spans shows nothing.
    return this.#tracer.part('score rows', () =>
      Promise.all(
        applications.map(application => this.#run(application, principal, UNTRACED).catch(error => this.#refused(error))),
      ),
    )
  }

  /** The result of a row of a batch. @throws an error that was not expected */
  #refused(error: unknown): RowResult {
    if (!(error instanceof AppError)) throw error
    this.#rowRefused(error.code)
    return { problems: error.problems.length > 0 ? error.problems : [{ code: error.code, message: error.message, path: [] }] }
  }

  #newId(): { id: string; createdAt: Date } {
    const uuid = this.#ids.generateOrResetWithTs(this.#now())
    const milliseconds = uuid.bytes.subarray(0, 6).reduce((value, byte) => value * 256 + byte, 0)
    return { id: uuid.toString(), createdAt: new Date(milliseconds) }
  }
}

function checkedFeatures(
  { applicantId, channel, idempotencyKey, features, model }: Application,
  release: Release,
): FeatureValues {
  const problems: Problem[] = []
  const inReference = mistakeInReference(applicantId, LONGEST.applicantId)
  if (inReference) problems.push(problemAt(['applicantId'], inReference))
  // Such a reference would look like an erased one, and could not be erased itself.
  if (applicantId.startsWith(ERASED_PREFIX)) problems.push(problemAt(['applicantId'], `must not begin with ${ERASED_PREFIX}`))
  const inChannel = channel === undefined ? undefined : mistakeInReference(channel, LONGEST.channel)
  if (inChannel) problems.push(problemAt(['channel'], inChannel))
  if (idempotencyKey !== undefined && !IDEMPOTENCY_KEY.test(idempotencyKey)) {
    problems.push(problemAt(['idempotencyKey'], 'must be 1 to 255 printable ASCII characters without spaces'))
  }
  const checked = checkFeatures(features, release.contract)
  if ('problems' in checked) problems.push(...checked.problems)
  if (problems.length > 0) {
    throw new AppError('BAD_USER_INPUT', `The application for ${model} has ${problems.length} problem(s): see problems.`, {
      problems,
    })
  }
  return 'values' in checked ? checked.values : {}
}

/** Features are in the contract's order by now, so the same application always gives the same text. */
function idempotencyOf({ applicantId, model, channel, idempotencyKey }: Application, features: FeatureValues) {
  if (idempotencyKey === undefined) return undefined
  const text = JSON.stringify([applicantId, model, channel ?? null, features])
  return { key: idempotencyKey, digest: createHash('sha256').update(text).digest('hex') } satisfies IdempotencyKey
}
