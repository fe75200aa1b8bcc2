import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { launchGateway, readDevelopmentFile, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import {
  AlertCursorDocument,
  HighRiskScoredDocument,
  PredictionByIdDocument,
  PredictRiskDocument,
  ViewerDocument,
} from '../support/generated/operations.js'
import { type CallResults, newCall, send } from '../support/load.js'
import { lives, present } from '../support/process.js'
import { newStateDirectory, preparedStateDirectory } from '../support/stateDirectory.js'
import { subscribe } from '../support/subscription.js'

const ROLES = ['SCORER', 'MONITOR', 'ANALYST', 'MODEL_MANAGER', 'ADMIN']
const APPLICATION = { applicantId: 'first', features: { consumerCredit: HIGH_RISK } }
const modeOf = (path: string) => (statSync(path).mode & 0o777).toString(8)

function clientOf(stateDirectory: string, role: string): GraphqlClient {
  const { url, tokens } = readDevelopmentFile(stateDirectory)
  return new GraphqlClient(url, present(tokens[role], role))
}

describe('a start without configuration', () => {
  it('writes dev.json and a signing key, serves, and stops cleanly on SIGTERM', async () => {
    await using state = newStateDirectory()
    const home = join(state.path, '.riskgate')
    await using gateway = await spawnGateway({}, { cwd: state.path })
    expect(modeOf(join(home, 'dev.json'))).toBe('600')
    expect(modeOf(join(home, 'signing.key'))).toBe('600')
    expect(readFileSync(join(home, 'signing.key'))).toHaveLength(32)
    expect(readdirSync(home).filter(name => name.includes('new') || name.includes('draft'))).toEqual([])

    const { url, tokens } = readDevelopmentFile(home)
    expect(url).toBe(gateway.url)
    expect(Object.keys(tokens)).toEqual(ROLES)
    for (const role of ROLES) {
      const { viewer } = await clientOf(home, role).data(ViewerDocument, {})
      expect(viewer).toMatchObject({ tenant: 'default', roles: [role] })
    }
    const printed = await runCommand(['token', '--role', 'ADMIN'], {}, state.path)
    expect((await new GraphqlClient(url, printed.stdout.trim()).data(ViewerDocument, {})).viewer.roles).toEqual(['ADMIN'])

    const postmaster = Number(readFileSync(join(home, 'postgres/postmaster.pid'), 'utf8').split('\n')[0])
    expect(lives(postmaster)).toBe(true)
    expect(await gateway.stop()).toMatchObject({ status: 0, signal: null, stderr: '' })
    expect(lives(postmaster)).toBe(false)
    expect(existsSync(join(home, 'postgres/postmaster.pid'))).toBe(false)
  })

  it('has the history and accepts the tokens of the start before', async () => {
    await using state = preparedStateDirectory()
    const settings = { RISKGATE_STATE_DIR: state.path }
    await using first = await spawnGateway(settings)
    const { predictRisk } = await clientOf(state.path, 'SCORER').data(PredictRiskDocument, { input: APPLICATION })
    const before = readDevelopmentFile(state.path)
    await first.stop()
    await using second = await spawnGateway(settings)
    const analyst = new GraphqlClient(second.url, present(before.tokens.ANALYST))
    const { prediction } = await analyst.data(PredictionByIdDocument, { id: predictRisk.prediction.id })
    expect(prediction).toEqual(predictRisk.prediction)
    expect(readDevelopmentFile(state.path).url).toBe(second.url)
  })

  it('shares its PostgreSQL with another gateway in the same directory', async () => {
    await using state = preparedStateDirectory()
    const settings = { RISKGATE_STATE_DIR: state.path, ...TEST_KEY }
    await using first = await spawnGateway(settings)
    await using second = await spawnGateway(settings)
    const postmaster = state.postmaster()
    const { predictRisk } = await (await first.as({ roles: ['SCORER'] })).data(PredictRiskDocument, { input: APPLICATION })
    expect(await first.stop()).toMatchObject({ status: 0 })
    const analyst = await second.as({ roles: ['ANALYST'] })
    expect((await analyst.data(PredictionByIdDocument, { id: predictRisk.prediction.id })).prediction).toEqual(
      predictRisk.prediction,
    )
    expect(await second.stop()).toMatchObject({ status: 0 })
    expect(lives(postmaster)).toBe(false)
  })

  it('can be stopped while it starts', async () => {
    await using state = preparedStateDirectory()
    await using gateway = launchGateway({ RISKGATE_STATE_DIR: state.path })
    await gateway.logged('embedded PostgreSQL is ready')
    const postmaster = state.postmaster()
    gateway.stop()
    expect(await gateway.exited).toMatchObject({ status: 0, stderr: '' })
    expect(lives(postmaster)).toBe(false)
  })
})

describe('SIGTERM', () => {
  it('closes sockets with 1001, and lets a client resume at another gateway', async () => {
    await using database = await createTestDatabase()
    const settings = { DATABASE_URL: database.url, ...TEST_KEY }
    await using first = await spawnGateway(settings)
    const monitor = await first.as({ roles: ['MONITOR'] })
    const { alertCursor } = await monitor.data(AlertCursorDocument, {})
    await using alerts = subscribe(monitor, HighRiskScoredDocument, { after: alertCursor })
    const scorer = await first.as({ roles: ['SCORER'] })
    const scored = await scorer.data(PredictRiskDocument, { input: APPLICATION })
    const seen = await alerts.next()
    expect(seen.highRiskScored.prediction).toEqual(scored.predictRisk.prediction)
    const missed = await scorer.data(PredictRiskDocument, { input: APPLICATION })
    const exit = await first.stop()
    expect(await alerts.closed).toBe(1001)
    expect(exit).toMatchObject({ status: 0, stderr: '' })

    await using second = await spawnGateway(settings)
    const later = await (await second.as({ roles: ['SCORER'] })).data(PredictRiskDocument, { input: APPLICATION })
    const after = seen.highRiskScored.cursor
    await using resumed = subscribe(await second.as({ roles: ['MONITOR'] }), HighRiskScoredDocument, { after })
    for (const { predictRisk } of [missed, later]) {
      expect((await resumed.next()).highRiskScored.id).toBe(predictRisk.prediction.id)
    }
  })

  it('answers every open call', async () => {
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, RISKGATE_DRAIN_MS: '700', ...TEST_KEY })
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    const calls = Promise.all(Array.from({ length: 60 }, () => send(scorer, newCall(), results)))
    const exited = gateway.stop()
    await calls
    expect(results).toMatchObject({ failed: [], unanswered: [] })
    expect(await exited).toMatchObject({ status: 0, stderr: '' })
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: 60 }])
  })
})

describe('a port', () => {
  it('on which another program listens ends the start with status 78 and a message', async () => {
    await using database = await createTestDatabase()
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const { port } = other.address() as { port: number }
    const settings = { DATABASE_URL: database.url, RISKGATE_PORT: String(port), ...TEST_KEY }
    const { status, stderr } = await runCommand([], settings)
    other.close()
    expect(status).toBe(78)
    expect(stderr).toBe(`riskgate: RISKGATE_PORT: another program listens on 127.0.0.1:${port}.\n`)
  })

  it('on an address that this machine does not have does the same, and stops the started PostgreSQL', async () => {
    await using state = preparedStateDirectory()
    const { status, stderr } = await runCommand([], {
      RISKGATE_STATE_DIR: state.path,
      RISKGATE_HOST: '192.0.2.1',
      RISKGATE_PORT: '0',
      ...TEST_KEY,
    })
    expect(status).toBe(78)
    expect(stderr).toBe('riskgate: RISKGATE_HOST: 192.0.2.1 is not an address of this machine.\n')
    expect(existsSync(join(state.path, 'postgres/postmaster.pid'))).toBe(false)
  })
})
