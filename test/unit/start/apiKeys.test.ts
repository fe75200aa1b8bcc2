import { expect, it } from 'vitest'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import { startApiKeys } from '../../../src/start/apiKeys.js'

it('keys in use are checked so often that a revocation holds within a second, also where one check fails', () => {
  const { upkeep } = startApiKeys({} as never, new Withdrawals())
  const checks = upkeep.filter(({ name }) => name === 'API keys in use')
  expect(checks).toHaveLength(1)
  for (const { everyMs } of checks) expect(2 * everyMs).toBeLessThan(1_000)
})
