import type { CreateLimiter } from '../cache/limiters.js'
import { showFromZero } from '../observability/metrics.js'
import { AddressLimit } from '../server/limits/addressLimit.js'
import { clientAddress, UNNAMED, type Unnamed } from '../server/limits/clientAddress.js'
import { LIMIT_KINDS, limitOperations, type ObserveLimited } from '../server/limits/operationLimits.js'
import type { ChargePoints } from '../server/limits/quota.js'
import { StreamLimit } from '../server/limits/streamLimit.js'
import type { Kit } from './kit.js'

const OPERATIONS_WINDOW_SECONDS = 10
const ADDRESS_WINDOW_SECONDS = 60

export interface RateLimits {
  readonly chargePoints: ChargePoints
  readonly addresses: AddressLimit
  readonly streams: StreamLimit
}

/** Creates every limit on how much callers may ask for. */
export function startRateLimits(kit: Kit, { createLimiter }: { createLimiter: CreateLimiter }): RateLimits {
  const { config, metrics } = kit
  const { principal, tenant, address } = config.rateLimits
  showFromZero(metrics.rateLimited, 'kind', LIMIT_KINDS)
  const limited: ObserveLimited = kind => metrics.rateLimited.inc({ kind })
  const ofAddress = createLimiter({ name: 'address', limit: address, windowSeconds: ADDRESS_WINDOW_SECONDS })
  return {
    chargePoints: limitOperations({
      principal: createLimiter({ name: 'principal', limit: principal, windowSeconds: OPERATIONS_WINDOW_SECONDS }),
      tenant: createLimiter({ name: 'tenant', limit: tenant, windowSeconds: OPERATIONS_WINDOW_SECONDS }),
      limited,
    }),
    addresses: new AddressLimit(ofAddress, limited, startClientAddresses(kit)),
    streams: new StreamLimit(config.maxStreams, limited),
  }
}

/** Finds the addresses of clients, and tells once for each reason that a trusted proxy names none. */
function startClientAddresses({ config, metrics, logger }: Kit) {
  const { trustedProxies, forwardedHeader } = config
  const told = new Set<Unnamed>()
  if (trustedProxies.length > 0) showFromZero(metrics.clientsUnnamed, 'why', UNNAMED)
  return clientAddress({
    trustedProxies,
    header: forwardedHeader,
    unnamed: (why, proxy) => {
      metrics.clientsUnnamed.inc({ why })
      if (told.has(why)) return
      told.add(why)
      logger.warn({ why, proxy, header: forwardedHeader }, 'a trusted proxy names no client; its callers share one limit')
    },
  })
}
