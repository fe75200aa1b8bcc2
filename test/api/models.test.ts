import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import manifest from '../../models/consumer-credit/2/manifest.json' with { type: 'json' }
import contract from '../../models/consumer-credit/contract.json' with { type: 'json' }
import { ROLES, type Role } from '../../src/auth/principal.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { ModelByNameDocument, ModelMetricsDocument, ModelsDocument, ViewerDocument } from '../support/generated/operations.js'

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway[Symbol.asyncDispose]())

describe('models', () => {
  it.each(ROLES)('show a %s the contract in both languages, exactly as in the folder', async role => {
    const { models } = await (await gateway.as({ roles: [role] })).data(ModelsDocument, {})
    expect(models).toHaveLength(1)
    expect(models[0]).toMatchObject({ name: contract.name, inputField: contract.inputField })
    expect(models[0]?.contract).toEqual(
      contract.features.map(({ description, ...feature }) => ({
        minimum: null,
        maximum: null,
        categories: null,
        unit: null,
        ...feature,
        description: description.en,
        spanish: description.es,
      })),
    )
  })

  it('list all versions with digest and stage, including the champion', async () => {
    const { models } = await (await gateway.as({ roles: ['SCORER'] })).data(ModelsDocument, {})
    expect(models[0]?.versions.map(({ version, stage }) => ({ version, stage }))).toEqual([
      { version: '1', stage: 'CANDIDATE' },
      { version: '2', stage: 'CHAMPION' },
    ])
    expect(models[0]?.champion).toEqual({ version: '2' })
    expect(models[0]?.versions[1]?.digest).toBe(manifest.onnx.sha256)
  })

  it('have bands that split 0 to 1 into eight half-open intervals', async () => {
    const { models } = await (await gateway.as({ roles: ['SCORER'] })).data(ModelsDocument, {})
    for (const { bands } of models[0]?.versions ?? []) {
      expect(bands.map(({ band }) => band)).toEqual(['T1', 'T2', 'T3', 'T4', 'T5', 'T6', 'T7', 'T8'])
      expect(bands.map(({ from }) => from)).toEqual([0, ...manifest.bands.cutoffs])
      expect(bands.map(({ to }) => to)).toEqual([...manifest.bands.cutoffs, 1])
    }
  })

  it.each<Role>(['ANALYST', 'MODEL_MANAGER', 'ADMIN'])('show their metrics to a %s', async role => {
    const { models } = await (await gateway.as({ roles: [role] })).data(ModelMetricsDocument, {})
    expect(models[0]?.versions[1]?.metrics).toEqual(manifest.metrics)
    expect(models[0]?.versions[0]?.metrics).toContainEqual({
      name: 'auc',
      value: expect.any(Number),
      dataset: expect.any(String),
    })
  })

  it.each<Role>(['SCORER', 'MONITOR'])(
    'answer a %s with null and FORBIDDEN for the metrics, and with all other fields',
    async role => {
      const client = await gateway.as({ roles: [role] })
      for (let use = 1; use <= 3; use++) {
        const { status, data, errors } = await client.request(ModelMetricsDocument, {})
        expect(status).toBe(200)
        expect(data?.models[0]?.versions).toEqual([
          { version: '1', metrics: null },
          { version: '2', metrics: null },
        ])
        expect(errors?.map(({ path, extensions }) => [path?.join('.'), extensions.code])).toEqual([
          ['models.0.versions.0.metrics', 'FORBIDDEN'],
          ['models.0.versions.1.metrics', 'FORBIDDEN'],
        ])
      }
    },
  )

  it('are found by name, and null for an unknown name', async () => {
    const client = await gateway.as({ roles: ['MONITOR'] })
    const { model } = await client.data(ModelByNameDocument, { name: 'consumer-credit' })
    expect(model).toMatchObject({ name: 'consumer-credit', inputField: 'consumerCredit' })
    for (const name of ['consumerCredit', 'CONSUMER-CREDIT', '', '__proto__', 'constructor', '../consumer-credit']) {
      expect(await client.request(ModelByNameDocument, { name })).toMatchObject({ status: 200, data: { model: null } })
    }
  })

  it('are visible to every authenticated caller, also one without a role', async () => {
    const { models } = await (await gateway.as({ roles: [] })).data(ModelsDocument, {})
    expect(models.map(({ name }) => name)).toEqual(['consumer-credit'])
  })
})

// The permissions of each role are tested with test/security/support/expectations.ts.
describe('viewer', () => {
  it.each<{ roles: Role[] }>([{ roles: ['SCORER'] }, { roles: ['MONITOR', 'SCORER'] }, { roles: [] }])(
    'shows the id, the tenant and the roles of the caller: $roles',
    async ({ roles }) => {
      const { viewer } = await (await gateway.as({ roles, subject: 'me', tenant: 'bank' })).data(ViewerDocument, {})
      expect({ ...viewer, roles: [...viewer.roles].sort() }).toMatchObject({ id: 'me', tenant: 'bank', roles })
    },
  )
})
