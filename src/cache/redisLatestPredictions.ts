import { createHash } from 'node:crypto'
import type { Redis } from 'ioredis'
import type { Prediction } from '../scoring/prediction.js'

// A replica whose write to Redis failed leaves an older prediction behind: for this long at most.
const TTL_SECONDS = 60
const ID_LENGTH = 36
// A frozen Redis costs each command its time limit: after a failure it is left alone for this long.
const REST_MS = 1_000

// A value begins with the prediction's id, which grows with time: an older prediction never replaces a newer one, whichever
// replica comes last.
const KEEP_NEWER = `
local known = redis.call('GET', KEYS[1])
if known and string.sub(known, 1, ${ID_LENGTH}) > ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ARGV[2], 'EX', ARGV[3])
return 1`

/** The newest prediction of each applicant, shared by all replicas. Keys are digests and values hold no applicant's reference. */
export class RedisLatestPredictions {
  readonly #redis: Redis
  #restsUntil = 0

  constructor(redis: Redis) {
    this.#redis = redis
  }

  /** Finds nothing when Redis does not answer. */
  async find(tenant: string, applicantIds: readonly string[]): Promise<ReadonlyMap<string, Prediction>> {
    if (this.#isResting()) return new Map()
    const values = await this.#redis.mget(applicantIds.map(id => keyOf(tenant, id))).catch(() => this.#rest())
    return new Map(
      applicantIds.flatMap((applicantId, i) => {
        const prediction = decode(values?.[i] ?? '', tenant, applicantId)
        return prediction ? [[applicantId, prediction] as const] : []
      }),
    )
  }

  /** Forgets silently when Redis does not answer. */
  async remember(predictions: readonly Prediction[]): Promise<void> {
    if (predictions.length === 0 || this.#isResting()) return
    const pipeline = this.#redis.pipeline()
    for (const prediction of predictions) {
      const key = keyOf(prediction.tenant, prediction.applicantId)
      pipeline.eval(KEEP_NEWER, 1, key, prediction.id, encode(prediction), TTL_SECONDS)
    }
    const results = await pipeline.exec().catch(() => null)
    if (!results || results.some(([error]) => error)) this.#rest()
  }

  #isResting(): boolean {
    return performance.now() < this.#restsUntil
  }

  #rest(): undefined {
    this.#restsUntil = performance.now() + REST_MS
  }
}

function encode({ id: _id, tenant: _tenant, applicantId: _applicantId, ...rest }: Prediction): string {
  return JSON.stringify(rest)
}

/** Undefined for a value that is none of ours: it counts as not there. */
function decode(value: string, tenant: string, applicantId: string): Prediction | undefined {
  try {
    const rest = JSON.parse(value.slice(ID_LENGTH)) as Omit<Prediction, 'id' | 'tenant' | 'applicantId'>
    const createdAt = new Date(rest.createdAt)
    if (Number.isNaN(createdAt.getTime())) return undefined
    return { ...rest, id: value.slice(0, ID_LENGTH), tenant, applicantId, createdAt }
  } catch {
    return undefined
  }
}

function keyOf(tenant: string, applicantId: string): string {
  return `riskgate:latest:${createHash('sha256')
    .update(JSON.stringify([tenant, applicantId]))
    .digest('base64url')}`
}
