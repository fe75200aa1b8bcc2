import { askRedis } from '../../cache/askRedis.js'
import type { Config } from '../../config/config.js'
import { type Finding, ok, problem, warning } from './finding.js'

/** Whether Redis does everything that a gateway asks it for. */
export async function redisFindings({ redis }: Config): Promise<Finding[]> {
  if (redis === undefined) return [ok('Redis', 'none set: enough for one replica')]
  const { milliseconds, isCluster, lost, misfit, refused } = await askRedis(redis)
  if (misfit !== undefined) return [problem('Redis', misfit)]
  if (lost !== undefined)
    return [problem('Redis', `REDIS_URL does not answer (${lost}): replicas go on without it, with limits of their own.`)]
  const answer = ok('Redis', `${isCluster ? 'a cluster, ' : ''}answers in ${milliseconds} ms`)
  return [answer, ...refused.map(({ use, code, command }) => problem('Redis', refusal(use, code, command)))]
}

function refusal(use: string, code: string, command: string | undefined): string {
  return `It refuses ${command === undefined ? 'commands' : command} for ${use} (${code}): replicas go on without that.`
}

/** Where webhooks may go. Nothing is called: the receivers would take it for an alert. */
export async function webhookFindings({ webhooksMayBePrivate, webhookPrivateNetworks }: Config): Promise<Finding[]> {
  if (webhooksMayBePrivate) {
    const says =
      'may go to every private address, over plain HTTP. Name your networks in RISKGATE_WEBHOOK_PRIVATE_NETWORKS instead.'
    return [warning('webhooks', says)]
  }
  const also = webhookPrivateNetworks.length > 0 ? `, and to ${webhookPrivateNetworks.join(', ')}` : ''
  return [ok('webhooks', `go to public addresses over HTTPS${also}`)]
}

/** Whose word about the address of a client counts. */
export async function proxyFindings({ trustedProxies, forwardedHeader }: Config): Promise<Finding[]> {
  if (trustedProxies.length === 0) return [ok('proxies', 'none trusted: behind one, all clients would share one limit')]
  return [ok('proxies', `${trustedProxies.join(', ')} name the client in ${forwardedHeader}`)]
}
