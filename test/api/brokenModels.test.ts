import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ROLES } from '../../src/auth/principal.js'
import { application } from '../support/applicants.js'
import { startGateway, type TestGateway } from '../support/gateway.js'
import { ModelChecksDocument, PredictionVersionsDocument, PredictRiskDocument } from '../support/generated/operations.js'
import { metric } from '../support/metrics.js'

const BUNDLED = new URL('../../models/consumer-credit', import.meta.url).pathname
const JUDGES: readonly string[] = ['ANALYST', 'MODEL_MANAGER', 'ADMIN']

async function changeJson(file: string, change: (json: Record<string, unknown>) => object): Promise<void> {
  await writeFile(file, JSON.stringify(change(JSON.parse(await readFile(file, 'utf8')))))
}

describe('beside a model that serves', () => {
  let models: string
  let gateway: TestGateway
  beforeAll(async () => {
    models = await mkdtemp(join(tmpdir(), 'riskgate-models-'))
    await cp(BUNDLED, join(models, 'consumer-credit'), { recursive: true })
    // A candidate whose manifest cannot be read, a champion with the wrong class, a contract of a wrong form, a stray folder.
    await writeFile(join(models, 'consumer-credit', '1', 'manifest.json'), '{}')
    const mortgage = join(models, 'mortgage')
    await cp(BUNDLED, mortgage, { recursive: true })
    await changeJson(join(mortgage, 'contract.json'), json => ({ ...json, name: 'mortgage', inputField: 'mortgage' }))
    for (const version of ['1', '2']) {
      await changeJson(join(mortgage, version, 'manifest.json'), json => ({
        ...json,
        model: 'mortgage',
        onnx: { ...(json.onnx as object), output: { name: version === '2' ? 'probabilities' : 'output_probability', column: 0 } },
      }))
    }
    await cp(BUNDLED, join(models, 'leasing'), { recursive: true })
    await writeFile(join(models, 'leasing', 'contract.json'), '[]')
    await mkdir(join(models, 'notebooks'))
    gateway = await startGateway({ RISKGATE_MODELS_DIR: models })
  })
  afterAll(async () => {
    await gateway[Symbol.asyncDispose]()
    await rm(models, { recursive: true, force: true })
  })

  it('a broken candidate and a broken champion are out, and say why', async () => {
    const { models } = await (await gateway.as({ roles: ['MODEL_MANAGER'] })).data(ModelChecksDocument, {})
    expect(models.map(({ name, champion }) => ({ name, champion }))).toEqual([
      { name: 'consumer-credit', champion: { version: '2' } },
      { name: 'mortgage', champion: null },
    ])
    const [credit, mortgage] = models
    expect(credit?.versions).toEqual([
      {
        version: '1',
        stage: 'REJECTED',
        digest: null,
        createdAt: null,
        problems: expect.arrayContaining([expect.stringMatching(/^consumer-credit\/1\/manifest\.json: /)]),
        warnings: [],
      },
      expect.objectContaining({ version: '2', stage: 'CHAMPION', digest: expect.any(String), problems: [], warnings: [] }),
    ])
    for (const version of mortgage?.versions ?? []) {
      expect(version).toMatchObject({ stage: 'REJECTED', digest: expect.any(String) })
      expect(version.problems?.[0]).toMatch(/golden rows have another probability .* expected \S+, got \S+/)
    }
  })

  it.each(ROLES)('a %s is shown the problems only with the figures of a version', async role => {
    const client = await gateway.as({ roles: [role] })
    const { data, errors } = await client.request(ModelChecksDocument, {})
    const isJudge = JUDGES.includes(role)
    expect(data?.models[0]?.versions[0]?.problems === null).toBe(!isJudge)
    expect((errors ?? []).map(({ extensions }) => extensions.code).every(code => code === 'FORBIDDEN')).toBe(true)
    expect((errors ?? []).length).toBe(isJudge ? 0 : 8)
  })

  it('the good one scores, and the broken one is unavailable', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'] })
    const input = application('apart')
    expect((await scorer.data(PredictRiskDocument, { input })).predictRisk.replayed).toBe(false)
    const { status, errors } = await scorer.request(PredictRiskDocument, {
      input: { ...input, features: { mortgage: input.features.consumerCredit } } as unknown as typeof input,
    })
    expect(status).toBe(503)
    expect(errors?.[0]).toMatchObject({
      message: 'No version of this model may serve. Tell the operator.',
      extensions: { code: 'SERVICE_UNAVAILABLE' },
    })
  })

  it('readiness and metrics name the models that do not serve', async () => {
    const ready = await fetch(`${gateway.url}/readyz`)
    expect(ready.status).toBe(200)
    expect(await ready.json()).toEqual({
      status: 'ready',
      reasons: [],
      warnings: ['The model leasing does not serve: the log says why.', 'The model mortgage does not serve: the log says why.'],
    })
    for (const [model, value] of Object.entries({ 'consumer-credit': 1, mortgage: 0, leasing: 0, notebooks: undefined })) {
      expect(await metric(gateway, 'riskgate_model_serving', { model }), model).toBe(value)
    }
  })

  it('the history is shown whole after the folder of a version or of a model is gone', async () => {
    const analyst = await gateway.as({ roles: ['ADMIN'] })
    for (const id of ['kept', 'no-version', 'no-model']) await analyst.data(PredictRiskDocument, { input: application(id) })
    const { sql } = gateway.database
    await sql`update predictions set model_version = '0' where applicant_id = 'no-version'`
    await sql`update predictions set model = 'overdraft', model_version = '7' where applicant_id = 'no-model'`
    const { predictions } = await analyst.data(PredictionVersionsDocument, {})
    const [noModel, noVersion, kept] = predictions.nodes.map(({ modelVersion }) => modelVersion)
    expect(kept).toMatchObject({ name: 'consumer-credit', version: '2', stage: 'CHAMPION', digest: expect.any(String) })
    const gone = {
      stage: 'RETIRED',
      digest: null,
      createdAt: null,
      bands: [],
      problems: [expect.stringContaining('Neither the version store nor the models folder has this version.')],
    }
    expect(noVersion).toEqual({ name: 'consumer-credit', version: '0', ...gone, model: { name: 'consumer-credit' } })
    expect(noModel).toEqual({ name: 'overdraft', version: '7', ...gone, model: null })
  })
})
