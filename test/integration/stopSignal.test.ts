import { once } from 'node:events'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { createTestDatabase } from '../support/database.js'
import { launchByNpm, launchCommand, launchGateway, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { AlertCursorDocument, HighRiskScoredDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { type CallResults, newCall, send } from '../support/load.js'
import { lives, present, until } from '../support/process.js'
import { lockedPid, preparedStateDirectory } from '../support/stateDirectory.js'
import { subscribe } from '../support/subscription.js'

const APPLICATION = { applicantId: 'first', features: { consumerCredit: HIGH_RISK } }

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

  it('answers every open call, also when SIGINT comes at the same moment', async () => {
    await using database = await createTestDatabase()
    // On a busy machine the calls take a moment to reach the gateway.
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, RISKGATE_DRAIN_MS: '2000', ...TEST_KEY })
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const results: CallResults = { acknowledged: [], failed: [], unanswered: [] }
    const calls = Promise.all(Array.from({ length: 60 }, () => send(scorer, newCall(), results)))
    const exited = gateway.stop()
    process.kill(gateway.pid, 'SIGINT')
    await calls
    expect(results).toMatchObject({ failed: [], unanswered: [] })
    expect(await exited).toMatchObject({ status: 0, stderr: '' })
    expect(await database.sql`select count(*)::int as rows from predictions`).toEqual([{ rows: 60 }])
  })
})

describe('a signal to a command', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)('at %s, it ends the PostgreSQL that it has started', async (signal, status) => {
    await using state = preparedStateDirectory()
    const command = launchCommand(['key', 'list'], { RISKGATE_STATE_DIR: state.path })
    await until(() => Number(lockedPid(join(state.path, 'postgres'))) > 0)
    const postmaster = state.postmaster()
    command.stop(signal)
    expect(await command.exited).toMatchObject({ status, stdout: '' })
    expect(lives(postmaster)).toBe(false)
  })
})

describe('SIGTERM during the start', () => {
  it('ends a gateway that has not loaded all its code yet: a container asks for signals early, or it gets none', async () => {
    const hook = `export async function load(url, context, next) {
      if (!url.endsWith('/dist/app.js')) return next(url, context)
      process.stderr.write('loading')
      await new Promise(resolve => setTimeout(resolve, 2 ** 30))
    }`
    const asModule = (text: string) => `data:text/javascript;base64,${Buffer.from(text).toString('base64')}`
    const NODE_OPTIONS = `--import=${asModule(`import { register } from 'node:module'; register('${asModule(hook)}')`)}`
    await using gateway = launchGateway({ DATABASE_URL: 'postgres://nobody@127.0.0.1:1/nothing', NODE_OPTIONS, ...TEST_KEY })
    await once(present(gateway.stderr), 'data')
    gateway.stop()
    expect(await gateway.exited).toMatchObject({ status: 0, signal: null, stderr: 'loading' })
  })
})

describe('a second signal', () => {
  it.each([
    ['SIGINT', 'Ctrl-C'],
    ['SIGHUP', 'a terminal that is closed'],
  ] as const)(
    'from npm is the first one again: at %s (%s) the gateway and its PostgreSQL stop in order',
    async (signal, _what) => {
      await using state = preparedStateDirectory()
      await using gateway = launchByNpm({ RISKGATE_STATE_DIR: state.path, RISKGATE_DRAIN_MS: '200' })
      await gateway.logged('riskgate serves')
      const postmaster = state.postmaster()
      gateway.signalAll(signal)
      const { stdout } = await gateway.exited
      expect(stdout).toContain('embedded PostgreSQL stopped')
      expect(lives(postmaster)).toBe(false)
    },
  )

  it('over a second later ends the process at once', async () => {
    await using database = await createTestDatabase()
    await using gateway = await spawnGateway({ DATABASE_URL: database.url, RISKGATE_DRAIN_MS: '60000', ...TEST_KEY })
    const exited = gateway.stop()
    await until(() => {
      if (gateway.isRunning) process.kill(gateway.pid, 'SIGTERM')
      return !gateway.isRunning
    })
    expect(await exited).toMatchObject({ status: 1, stderr: '' })
  })
})
