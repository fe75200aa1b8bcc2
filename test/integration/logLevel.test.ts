import { expect, it } from 'vitest'
import { createTestDatabase } from '../support/database.js'
import { spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { ViewerDocument } from '../support/generated/operations.js'
import { until } from '../support/process.js'

const isThinned = (lines: number) => lines < 100

it('SIGUSR2 switches the log of a running gateway to debug, and back', async () => {
  await using database = await createTestDatabase()
  const sampled = { RISKGATE_LOG_SUCCESSES_PER_SECOND: '1', RISKGATE_LOG_SLOW_MS: '60000' }
  await using gateway = await spawnGateway({ DATABASE_URL: database.url, ...TEST_KEY, ...sampled })
  const client = await gateway.as({ roles: ['ANALYST'] })
  const switched = () => gateway.log().filter(({ message }) => message === 'the log level has changed')
  const callAndSwitch = async (times: number) => {
    for (let i = 0; i < 100; i++) await client.data(ViewerDocument, {})
    process.kill(gateway.pid, 'SIGUSR2')
    await until(() => switched().length === times)
  }
  for (let times = 1; times <= 3; times++) await callAndSwitch(times)
  await gateway.stop()

  expect(switched().map(line => line['riskgate.level'])).toEqual(['debug', 'info', 'debug'])
  // The lines of requests, by how many switches came before them.
  const counts = [0, 0, 0, 0]
  let switches = 0
  for (const { message } of gateway.log()) {
    if (message === 'the log level has changed') switches++
    if (message === 'request') counts[switches] = (counts[switches] ?? 0) + 1
  }
  expect(counts).toEqual([expect.toSatisfy(isThinned), 100, expect.toSatisfy(isThinned), 0])
  const represented = gateway.log().filter(({ message }) => message === 'request')
  expect(represented.some(line => Number(line['riskgate.represents']) > 1)).toBe(true)
})
