import { connectRedis, misfitSentence, type RedisPlace } from './connectRedis.js'
import { probeLatest } from './redisLatestPredictions.js'
import type { RedisLink } from './redisLink.js'
import { probePoints } from './redisPoints.js'
import { codeOf, commandOf } from './redisRefusals.js'

// The one of the hints: a user may have the right to it alone. The message makes gateways look once.
const CHANNEL = 'riskgate:alerts'

export interface RedisAnswer {
  readonly milliseconds: number
  readonly isCluster: boolean
  /** Why it cannot be used at all. */
  readonly lost: string | undefined
  /** Why the settings can never work. */
  readonly misfit: string | undefined
  /** What it refuses although it answers. */
  readonly refused: readonly { readonly use: string; readonly code: string; readonly command: string | undefined }[]
}

/** Asks a Redis for everything that a gateway asks it for. */
export async function askRedis(place: RedisPlace): Promise<RedisAnswer> {
  let lost: string | undefined
  const link = connectRedis(place, {
    lost: code => {
      lost = code
    },
    regained: () => {},
  })
  try {
    await link.settled()
    const misfit = misfitSentence(link)
    const answer = { milliseconds: 0, isCluster: 'nodes' in link.client, lost, misfit, refused: [] }
    if (misfit !== undefined || !link.isReady) return { ...answer, lost: lost ?? 'no answer' }
    const askedAt = performance.now()
    await link.client.ping().catch(() => {})
    return { ...answer, lost: undefined, milliseconds: Math.round(performance.now() - askedAt), refused: await refusalsOf(link) }
  } finally {
    link.disconnect()
  }
}

async function refusalsOf(link: RedisLink): Promise<RedisAnswer['refused'][number][]> {
  const asked: [string, () => Promise<unknown>][] = [
    ['limits', () => probePoints(link)(undefined)],
    ['latest predictions', () => probeLatest(link, undefined)],
    ['hints sent', () => link.client.publish(CHANNEL, '')],
    // Last: a connection that listens takes no other commands.
    ['hints received', () => link.client.subscribe(CHANNEL)],
  ]
  const refused: RedisAnswer['refused'][number][] = []
  for (const [use, ask] of asked) {
    await ask().catch(error => refused.push({ use, code: codeOf(error), command: commandOf(error) }))
  }
  return refused
}
