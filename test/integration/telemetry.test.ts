import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'

it('a gateway writes nothing to the home of its user, where ONNX Runtime would keep a device id and events', async () => {
  await using database = await createTestDatabase()
  const home = await mkdtemp(join(tmpdir(), 'riskgate-home-'))
  await using gateway = await spawnGateway({ DATABASE_URL: database.url, HOME: home, ...TEST_KEY })
  await gateway.stop()
  expect(await readdir(home)).toEqual([])
  await rm(home, { recursive: true })
})
