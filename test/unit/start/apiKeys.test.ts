import { expect, it } from 'vitest'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import { Metrics } from '../../../src/observability/metrics.js'
import { startApiKeys } from '../../../src/start/apiKeys.js'
import type { Kit } from '../../../src/start/kit.js'
import type { UpkeepTask } from '../../../src/storage/postgres/upkeep.js'

it('keys in use are checked so often that a revocation applies within a second, even if one check fails', () => {
  const tasks: UpkeepTask[] = []
  const kit = {
    metrics: new Metrics(),
    upkeep: (...more: readonly UpkeepTask[]) => tasks.push(...more),
    onStop: () => {},
  } as Partial<Kit>
  startApiKeys(kit as Kit, { withdrawals: new Withdrawals() })
  const checks = tasks.filter(({ name }) => name === 'API keys in use')
  expect(checks).toHaveLength(1)
  for (const { everyMs } of checks) expect(2 * everyMs).toBeLessThan(1_000)
})
