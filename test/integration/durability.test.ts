import { describe, expect, it, vi } from 'vitest'
import { createDatabase } from '../support/database.js'
import { embeddedServers } from '../support/embeddedServers.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { runCommand, TEST_KEY } from '../support/gatewayProcess.js'
import { until } from '../support/process.js'

vi.setConfig({ testTimeout: 60_000 })

const ACKNOWLEDGED = { RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF: 'true' }

async function readiness({ url }: TestGateway): Promise<{ status: number; reasons: string[] }> {
  const answer = await fetch(`${url}/readyz`)
  return { status: answer.status, reasons: ((await answer.json()) as { reasons: string[] }).reasons }
}

describe.skipIf(process.platform === 'win32')('a server whose storage never writes half a page', () => {
  const { preparedState, start, connect } = embeddedServers()

  it('serves with full_page_writes off where a setting acknowledges that, and with nothing else off', async () => {
    const server = await start(preparedState())
    const sql = connect(server)
    const switchTo = async (name: string, value: string, state: string) => {
      await sql.unsafe(`alter system set ${name} = ${value}`)
      await sql`select pg_reload_conf()`
      await until(async () => (await sql`select from pg_settings where name = ${name} and setting = ${state}`).length === 1)
    }
    await switchTo('full_page_writes', 'off', 'off')
    await using database = await createDatabase({ server: server.url })
    await using strict = await startGateway({}, database)
    await using lenient = await startGateway(ACKNOWLEDGED, database)
    expect(await readiness(strict)).toEqual({
      status: 503,
      reasons: [
        'Postgres runs with full_page_writes = off: acknowledged predictions could be lost, unless RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF says why not',
      ],
    })
    expect(await readiness(lenient)).toEqual({ status: 200, reasons: [] })
    const doctor = (settings: Record<string, string>) =>
      runCommand(['doctor'], { DATABASE_URL: database.url, ...TEST_KEY, ...settings })
    expect(await doctor({})).toMatchObject({
      status: 1,
      stdout: expect.stringMatching(
        /^PROBLEM +database settings +.*switch on full_page_writes\. .*RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF=true/m,
      ),
    })
    expect(await doctor(ACKNOWLEDGED)).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        /^ok +database settings +full_page_writes is off, which RISKGATE_ALLOW_FULL_PAGE_WRITES_OFF allows/m,
      ),
    })
    await switchTo('synchronous_commit', 'off', 'off')
    await until(async () => (await readiness(lenient)).status === 503)
    expect((await readiness(lenient)).reasons).toEqual([
      'Postgres runs with synchronous_commit = off: acknowledged predictions could be lost',
    ])
    expect((await doctor(ACKNOWLEDGED)).stdout).toMatch(/^PROBLEM +database settings +.*switch on synchronous_commit\.$/m)
    await switchTo('synchronous_commit', 'on', 'on')
  })
})
