import { beforeEach, describe, expect, it } from 'vitest'
import { LeasedLimiter } from '../../../../src/cache/leasedLimiter.js'
import { limitOperations } from '../../../../src/server/limits/operationLimits.js'
import type { PointLimiter } from '../../../../src/server/limits/pointLimiter.js'
import { type ChargePoints, RateLimitedError, refusalHeaders } from '../../../../src/server/limits/quota.js'
import { principalOf } from '../../support/gatewaySchema.js'

const principal = (id: string, tenant = 'north') => ({ ...principalOf('SCORER'), id, tenant })
const limiter = (limit: number) => new LeasedLimiter({ limit, windowSeconds: 10 })

/** A limiter that answers later, like one that asks Redis first. */
function slow(inner: PointLimiter): PointLimiter {
  return {
    limit: inner.limit,
    take: async (...taken) => inner.take(...taken),
    giveBack: (...given) => inner.giveBack(...given),
  }
}

const refusalOf = async (charged: () => unknown): Promise<RateLimitedError> => {
  const error = await (async () => charged())().then(
    () => undefined,
    (reason: unknown) => reason,
  )
  if (!(error instanceof RateLimitedError)) throw new Error(`not refused: ${error}`)
  return error
}

describe.each([
  ['at once', (inner: PointLimiter) => inner],
  ['later', slow],
])('limits on operations, decided %s,', (_when, decided) => {
  let kinds: string[]
  let chargePoints: ChargePoints
  beforeEach(() => {
    kinds = []
    chargePoints = limitOperations({
      principal: decided(limiter(100)),
      tenant: decided(limiter(150)),
      limited: kind => kinds.push(kind),
    })
  })

  it('answer with the quota that has the fewest points left', async () => {
    expect(await chargePoints(principal('a'), 10)).toMatchObject({ limit: 100, remaining: 90, resetSeconds: 10 })
    expect(await chargePoints(principal('b'), 90)).toMatchObject({ limit: 100, remaining: 10 })
    expect(await chargePoints(principal('c'), 10)).toMatchObject({ limit: 150, remaining: 40 })
  })

  it('refuse only the principal past its limit, charge no part of the call, and charge its tenant nothing', async () => {
    await chargePoints(principal('a'), 60)
    const { message, quota, code } = await refusalOf(() => chargePoints(principal('a'), 41))
    expect({ message, code }).toEqual({
      message: 'The limit of this client for operations and rows is reached: try again in 10 s.',
      code: 'RATE_LIMITED',
    })
    expect(quota).toMatchObject({ limit: 100, remaining: 40 })
    expect(await chargePoints(principal('b'), 90)).toMatchObject({ limit: 150, remaining: 0 })
    expect(kinds).toEqual(['principal'])
  })

  it('refuse only the tenant past its limit, and charge the principal nothing', async () => {
    await chargePoints(principal('a'), 100)
    await chargePoints(principal('b'), 40)
    const { message } = await refusalOf(() => chargePoints(principal('b'), 60))
    expect(message).toBe('The limit of the tenant of this client for operations and rows is reached: try again in 10 s.')
    expect(await chargePoints(principal('b'), 10)).toMatchObject({ limit: 150, remaining: 0 })
    expect(await chargePoints(principal('b', 'south'), 60)).toMatchObject({ limit: 100, remaining: 40 })
    expect(kinds).toEqual(['tenant'])
  })

  it('tell a client whose request can never pass to send it in parts', async () => {
    await expect((async () => chargePoints(principal('a'), 101))()).rejects.toMatchObject({
      code: 'QUERY_TOO_COMPLEX',
      message: 'The request has more operations and rows than this client may send at once (100): send it in parts.',
    })
    expect(kinds).toEqual([])
    expect(await chargePoints(principal('a'), 100)).toMatchObject({ remaining: 0 })
  })

  it('work with only a limit for principals, only one for tenants, or none', async () => {
    const ofTenant = limitOperations({ tenant: decided(limiter(5)), limited: () => {} })
    expect(await ofTenant(principal('a'), 5)).toMatchObject({ limit: 5, remaining: 0 })
    await refusalOf(() => ofTenant(principal('b'), 1))
    const ofPrincipal = limitOperations({ principal: decided(limiter(5)), limited: () => {} })
    expect(await ofPrincipal(principal('a'), 5)).toMatchObject({ remaining: 0 })
    expect(await limitOperations({ limited: () => {} })(principal('a'), 1e6)).toBeUndefined()
  })
})

it('an operation is charged synchronously when no shared count is needed', () => {
  const chargePoints = limitOperations({ principal: limiter(100), tenant: limiter(100), limited: () => {} })
  expect(chargePoints(principal('a'), 1)).not.toBeInstanceOf(Promise)
})

it('a refusal says in whole seconds when to retry', async () => {
  const chargePoints = limitOperations({ principal: limiter(1), limited: () => {} })
  chargePoints(principal('a'), 1)
  expect(refusalHeaders(await refusalOf(() => chargePoints(principal('a'), 1)))).toEqual({
    'ratelimit-limit': '1',
    'ratelimit-remaining': '0',
    'ratelimit-reset': '10',
    'retry-after': '10',
  })
})
