import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type GatewayProcess, runCommand, spawnGateway, TEST_KEY } from '../support/gatewayProcess.js'
import { EraseApplicantDocument, PredictionByIdDocument } from '../support/generated/operations.js'
import { present, until } from '../support/process.js'
import { preparedStateDirectory, type StateDirectory } from '../support/stateDirectory.js'
import { score } from '../support/stored.js'

describe('the audit of a gateway with the embedded database', () => {
  let state: StateDirectory
  let gateway: GatewayProcess
  const verify = (...given: string[]) => runCommand(['audit', 'verify', ...given], { RISKGATE_STATE_DIR: state.path })
  const seals = () =>
    gateway
      .log()
      .filter(({ message }) => message === 'audit sealed')
      .map(line => ({
        seal: Number(line['riskgate.seal']),
        entries: Number(line['riskgate.entries']),
        hash: String(line['riskgate.hash']),
      }))

  beforeAll(async () => {
    state = preparedStateDirectory()
    gateway = await spawnGateway({ RISKGATE_STATE_DIR: state.path, ...TEST_KEY })
  }, 120_000)
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await state[Symbol.asyncDispose]()
  })

  it('is sealed within seconds, and each seal is logged with its hash in the chain', async () => {
    const [scorer, analyst] = await Promise.all([gateway.as({ roles: ['SCORER'] }), gateway.as({ roles: ['ANALYST'] })])
    const { id } = await score(scorer, 'sealed')
    for (let i = 0; i < 3; i++) await analyst.data(PredictionByIdDocument, { id })
    // The first: the models folder named the champion.
    await until(() => seals().reduce((sum, { entries }) => sum + entries, 0) === 4)
    const { seal, hash } = present(seals().at(-1))
    const { status, stdout, stderr } = await verify('--head', hash)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`head        ${seal} ${hash}\n`)
    expect(stdout).toContain('entries     4\n')
  })

  it('stays intact when an applicant is erased', async () => {
    const [scorer, admin] = await Promise.all([gateway.as({ roles: ['SCORER'] }), gateway.as({ roles: ['ADMIN'] })])
    const { id } = await score(scorer, 'erased')
    await admin.data(PredictionByIdDocument, { id })
    await until(() => seals().reduce((sum, { entries }) => sum + entries, 0) === 5)
    const { hash } = present(seals().at(-1))
    await admin.data(EraseApplicantDocument, { applicantId: 'erased' })
    await until(() => seals().reduce((sum, { entries }) => sum + entries, 0) === 6)
    const { status, stdout } = await verify('--head', hash)
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('entries     6\n') })
  })

  it('can be verified while no gateway runs', async () => {
    await gateway.stop()
    const { status, stdout } = await verify()
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining('The audit is whole.') })
  })
})
