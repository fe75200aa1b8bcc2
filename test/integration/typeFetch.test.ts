import { expect, it } from 'vitest'
import { LOW_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { until } from '../support/process.js'
import { score } from '../support/stored.js'
import { startTcpProxy } from '../support/tcpProxy.js'

it('a gateway outlives a Postgres that goes away while the driver asks a new connection for its types', async () => {
  await using database = await createTestDatabase()
  let [isCutting, cut] = [false, 0]
  await using proxy = await startTcpProxy(database.url, {
    connected: client =>
      client.on('data', bytes => {
        // The driver asks for the types of arrays.
        if (!isCutting || !bytes.includes('typarray')) return
        cut++
        client.resetAndDestroy()
      }),
  })
  await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: proxy.url })
  const client = await gateway.as({ roles: ['ADMIN'] })
  isCutting = true
  proxy.cut()
  await until(() => cut >= 5)
  isCutting = false
  await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 200)
  expect((await score(client, 'a', LOW_RISK)).id).toBeDefined()
}, 30_000)
