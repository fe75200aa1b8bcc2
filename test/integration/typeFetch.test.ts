import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { expect, it } from 'vitest'
import { LOW_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { until } from '../support/process.js'
import { score } from '../support/stored.js'

/** A proxy before PostgreSQL. It can cut a new connection at the moment when the driver asks for the types of arrays. */
async function startProxy(databaseUrl: string) {
  const target = new URL(databaseUrl)
  const clients = new Set<Socket>()
  const proxy = { url: '', isCutting: false, cut: 0, clients }
  const server = createServer(client => {
    const upstream = connect(Number(target.port), target.hostname)
    clients.add(client)
    client.on('data', bytes => {
      if (!proxy.isCutting || !bytes.includes('typarray')) return
      proxy.cut++
      client.resetAndDestroy()
    })
    client.pipe(upstream).pipe(client)
    for (const socket of [client, upstream]) {
      socket.on('error', () => {})
      socket.on('close', () => [client, upstream].forEach(end => void end.destroy()))
    }
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(databaseUrl)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  proxy.url = url.href
  return {
    proxy,
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await new Promise(resolve => server.close(resolve))
    },
  }
}

it('a gateway outlives a Postgres that goes away while the driver asks a new connection for its types', async () => {
  await using database = await createTestDatabase()
  await using started = await startProxy(database.url)
  const { proxy } = started
  await using gateway = await spawnGateway({ ...TEST_KEY, DATABASE_URL: proxy.url })
  const client = await gateway.as({ roles: ['ADMIN'] })
  proxy.isCutting = true
  for (const socket of proxy.clients) socket.resetAndDestroy()
  await until(() => proxy.cut >= 5)
  proxy.isCutting = false
  await until(async () => (await fetch(`${gateway.url}/readyz`)).status === 200)
  expect((await score(client, 'a', LOW_RISK)).id).toBeDefined()
}, 30_000)
