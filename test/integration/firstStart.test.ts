import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { HIGH_RISK } from '../support/applicants.js'
import { GraphqlClient } from '../support/client.js'
import { createTestDatabase } from '../support/database.js'
import { launchGateway, readDevelopmentFile, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { PredictionByIdDocument, PredictRiskDocument, ViewerDocument } from '../support/generated/operations.js'
import { endProcess, lives, present } from '../support/process.js'
import { newStateDirectory, preparedStateDirectory } from '../support/stateDirectory.js'

const ROLES = ['SCORER', 'MONITOR', 'ANALYST', 'MODEL_MANAGER', 'ADMIN', 'TELEMETRY']
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

  it('can be stopped while it waits for a PostgreSQL that comes up', async () => {
    await using state = preparedStateDirectory()
    const data = join(state.path, 'postgres')
    const server = spawn('sleep', ['1000'], { cwd: data, stdio: 'ignore' })
    const lock = `${server.pid}\n${data}\n`
    writeFileSync(join(data, 'postmaster.pid'), lock)
    await using gateway = launchGateway({ RISKGATE_STATE_DIR: state.path })
    await gateway.logged('embedded PostgreSQL is not ready yet; waiting')
    gateway.stop()
    expect(await gateway.exited).toMatchObject({ status: 0, stderr: '' })
    expect(lives(present(server.pid))).toBe(true)
    expect(readFileSync(join(data, 'postmaster.pid'), 'utf8')).toBe(lock)
    await endProcess(server.pid, 'SIGKILL')
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
    expect(stderr).toBe(`riskgate: RISKGATE_PORT: another program listens on 127.0.0.1:${port}. Choose another port.\n`)
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
    expect(stderr).toBe('riskgate: RISKGATE_HOST: 192.0.2.1 is not an address of this machine. Set one that is, or 0.0.0.0.\n')
    expect(existsSync(join(state.path, 'postgres/postmaster.pid'))).toBe(false)
  })
})
