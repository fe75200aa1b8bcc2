import { connectRedis } from './redisConnection.js'

const PATIENCE_MS = 2_000

/** Whether a Redis answers, and how soon; else the code of its refusal. */
export async function askRedis(url: string): Promise<{ milliseconds: number; refusal: string | undefined }> {
  let refusal: string | undefined = 'no answer'
  const redis = connectRedis(url, (_message, { code }) => {
    refusal = String(code)
  })
  try {
    const isReady = new Promise<boolean>(resolve => {
      redis.once('ready', () => resolve(true))
      setTimeout(() => resolve(false), PATIENCE_MS).unref()
    })
    if (!(await isReady)) return { milliseconds: 0, refusal }
    const askedAt = performance.now()
    await redis.ping()
    return { milliseconds: Math.round(performance.now() - askedAt), refusal: undefined }
  } catch (error) {
    return { milliseconds: 0, refusal: (error as Error).message }
  } finally {
    redis.disconnect()
  }
}
