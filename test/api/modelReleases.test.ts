import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { signReport } from '../../src/releases/admission/reportSignature.js'
import type { NewVersion } from '../../src/releases/rollout/versionStore.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { LOW_RISK } from '../support/applicants.js'
import type { GraphqlClient } from '../support/client.js'
import { startGateway, TEST_RELEASE_KEY, type TestGateway } from '../support/gateway.js'
import {
  ApproveReleaseChangeDocument,
  ModelReleasesDocument,
  PromoteModelVersionDocument,
  RefuseReleaseChangeDocument,
  ReleaseChangesDocument,
  RetireModelVersionDocument,
  RollbackModelDocument,
  SetTrafficSplitDocument,
  VersionComparisonDocument,
} from '../support/generated/operations.js'
import { present } from '../support/process.js'
import { newVersion } from '../support/releases.js'
import { score } from '../support/stored.js'
import { storesOf, type TestStores } from '../support/stores.js'

const model = 'consumer-credit'
const reason = 'Better on the held-out rows.'

let gateway: TestGateway
let stores: TestStores
let versions: PostgresVersionStore
let ann: GraphqlClient
beforeAll(async () => {
  gateway = await startGateway()
  stores = storesOf(gateway.database.url)
  versions = new PostgresVersionStore(stores.database)
  ann = await gateway.as({ roles: ['MODEL_MANAGER'], subject: 'ann' })
  for (const version of ['a', 'b', 'c']) await versions.put(signed(newVersion({ version })))
  await versions.put(signed(newVersion({ version: 'broken', report: { problems: ['its output is constant.'] } })))
  await versions.put(newVersion({ version: 'forged', signature: 'ab'.repeat(32) }))
})
afterAll(async () => {
  await stores[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

const signed = (version: NewVersion): NewVersion => ({
  ...version,
  signature: signReport(version.report, Buffer.from(TEST_RELEASE_KEY)),
})
const promote = (version: string, client = ann) => client.data(PromoteModelVersionDocument, { input: { model, version, reason } })
const stageOf = (stages: readonly { version: string; stage: string }[], name: string) =>
  stages.find(({ version }) => version === name)?.stage

describe('the mutations of releases', () => {
  it('refuse a version whose report no gateway of this installation has signed', async () => {
    const { errors } = await ann.request(PromoteModelVersionDocument, { input: { model, version: 'forged', reason } })
    expect(errors?.[0]).toMatchObject({
      message: expect.stringContaining('does not have the signature of this installation'),
      extensions: { code: 'BAD_USER_INPUT' },
    })
  })

  it('answer with the state after the change, and the change', async () => {
    await promote('a')
    const { promoteModelVersion: promoted } = await promote('b')
    expect(promoted.rollout).toMatchObject({ champion: 'b', challenger: null, shadow: null })
    expect(promoted.rollout.earlier[0]).toBe('a')
    expect(['a', 'b', 'broken'].map(name => stageOf(promoted.rollout.stages, name))).toEqual([
      'CANDIDATE',
      'CHAMPION',
      'REJECTED',
    ])
    expect(promoted.change).toEqual({
      id: expect.any(String),
      model,
      action: 'PROMOTE',
      version: 'b',
      challenger: null,
      shadow: null,
      reason,
      state: 'APPLIED',
      proposedBy: 'ann',
      proposedAt: expect.any(String),
      decidedBy: 'ann',
      decidedAt: expect.any(String),
      decisionReason: null,
    })
    const split = { challenger: { version: 'a', share: 0.25 }, shadow: { version: 'c', share: 1 } }
    const { setTrafficSplit } = await ann.data(SetTrafficSplitDocument, { input: { model, reason, ...split } })
    expect(setTrafficSplit).toMatchObject({ rollout: split, change: { action: 'SPLIT', version: null, ...split } })
    expect(['a', 'b', 'c'].map(name => stageOf(setTrafficSplit.rollout.stages, name))).toEqual([
      'CHALLENGER',
      'CHAMPION',
      'SHADOW',
    ])
    const { retireModelVersion } = await ann.data(RetireModelVersionDocument, { input: { model, reason, version: 'c' } })
    expect(stageOf(retireModelVersion.rollout.stages, 'c')).toBe('RETIRED')
    const { rollbackModel } = await ann.data(RollbackModelDocument, { input: { model, reason, from: 'b' } })
    expect(rollbackModel).toMatchObject({
      rollout: { champion: 'a', challenger: null },
      change: { action: 'ROLLBACK', version: 'b' },
    })
    const { model: shown } = await ann.data(ModelReleasesDocument, { name: model })
    expect(shown?.rollout).toEqual({ champion: 'a', revision: rollbackModel.rollout.revision })
  })

  it('say what is wrong, and where', async () => {
    const refused = await ann.request(PromoteModelVersionDocument, { input: { model, version: 'broken', reason } })
    expect(refused.errors?.[0]).toMatchObject({
      message: 'The version may not serve: its output is constant.',
      extensions: { code: 'BAD_USER_INPUT', problems: [{ path: ['version'] }] },
    })
    const without = await ann.request(PromoteModelVersionDocument, { input: { model, version: 'a', reason: '' } })
    expect(without.errors?.[0]?.extensions.problems?.[0]?.path).toEqual(['reason'])
    const unknown = await ann.request(ApproveReleaseChangeDocument, { input: { changeId: 'none' } })
    expect(unknown.errors?.[0]?.extensions.code).toBe('NOT_FOUND')
  })

  it('are for MODEL_MANAGER and ADMIN', async () => {
    const analyst = await gateway.as({ roles: ['ANALYST', 'SCORER', 'MONITOR'] })
    const { errors } = await analyst.request(PromoteModelVersionDocument, { input: { model, version: 'a', reason } })
    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    await promote('b', await gateway.as({ roles: ['ADMIN'] }))
  })
})

describe('the changes', () => {
  it('come in pages, newest first, and name no principal of another tenant', async () => {
    const elsewhere = await gateway.as({ roles: ['MODEL_MANAGER'], subject: 'zoe', tenant: 'elsewhere' })
    await promote('a')
    await promote('b', elsewhere)
    const { releaseChanges: first } = await ann.data(ReleaseChangesDocument, { model, first: 1 })
    expect(first.nodes).toMatchObject([{ version: 'b', proposedBy: null, decidedBy: null }])
    const { releaseChanges: second } = await ann.data(ReleaseChangesDocument, {
      model,
      first: 1,
      after: first.pageInfo.endCursor,
    })
    expect(second.nodes).toMatchObject([{ version: 'a', proposedBy: 'ann' }])
    expect(second.pageInfo.hasNextPage).toBe(true)
    expect((await ann.data(ReleaseChangesDocument, { model: 'other' })).releaseChanges.nodes).toEqual([])
    const { errors } = await ann.request(ReleaseChangesDocument, { after: 'nonsense' })
    expect(errors?.[0]?.extensions.code).toBe('BAD_CURSOR')
  })
})

describe('the report of a version', () => {
  it('is shown with its origin', async () => {
    const quality = { rows: 100, auc: 0.85, ks: 0.5, gini: 0.7, brier: 0.1 }
    const report = {
      golden: { rows: 40, worstDeviation: 1e-7 },
      bandShares: [0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05],
      quality,
      comparison: { champion: '1', psi: 0.02, quality: { ...quality, auc: 0.84 } },
      cost: { loadMs: 12, rowMs: 0.2, groupMs: 3, groupRows: 256, peakBytes: 90_000_000 },
    }
    const origin = { source: 'mlflow', name: 'credit', version: '7', runId: 'r1' } as const
    await versions.put(newVersion({ version: '1', report, origin, signature: 'aa' }))
    const { model: shown } = await ann.data(ModelReleasesDocument, { name: model })
    const version = present(shown?.versions.find(({ version: name }) => name === '1'))
    expect(version.origin).toEqual({
      source: 'MLFLOW',
      name: 'credit',
      version: '7',
      runId: 'r1',
      url: null,
      runUrl: null,
    })
    expect(version.report).toMatchObject({
      checkedBy: 'riskgate 0.3.0, ONNX Runtime 1.30.0, linux-x64',
      goldenRows: 40,
      worstGoldenDeviation: 1e-7,
      bandShares: report.bandShares,
      quality: { rows: 100, auc: 0.85 },
      comparedWith: '1',
      championQuality: { auc: 0.84 },
      populationStabilityIndex: 0.02,
      loadMs: 12,
      peakBytes: 90_000_000,
    })
  })
})

describe('the comparison of two versions', () => {
  it('counts the applications of the own tenant', async () => {
    const scorer = await gateway.as({ roles: ['SCORER'], subject: 'shop' })
    const prediction = await score(scorer, 'a-1', LOW_RISK)
    const [scored] = await gateway.database.sql`
      insert into shadow_scores (prediction_id, tenant, model, version, probability, band, created_at)
      select id, tenant, model, 'c', probability + 0.5, 8, created_at from predictions where id = ${prediction.id}
      returning (select model_version from predictions where id = ${prediction.id}) as against`
    const range = { from: new Date(Date.now() - 60_000).toISOString(), to: new Date(Date.now() + 60_000).toISOString() }
    const asked = { model, version: 'c', against: present(scored).against as string, ...range }
    const { versionComparison } = await ann.data(VersionComparisonDocument, asked)
    expect(versionComparison).toMatchObject({ rows: 1, complete: true, meanDifference: 0.5, largestAbsoluteDifference: 0.5 })
    expect(versionComparison.matrix.find(({ band }) => band === prediction.band)?.counts).toEqual([0, 0, 0, 0, 0, 0, 0, 1])
    const elsewhere = await gateway.as({ roles: ['ANALYST'], tenant: 'elsewhere' })
    expect((await elsewhere.data(VersionComparisonDocument, asked)).versionComparison.rows).toBe(0)
    const unknown = await ann.request(VersionComparisonDocument, { ...asked, against: 'none' })
    expect(unknown.errors?.[0]?.extensions.problems?.[0]?.path).toEqual(['against'])
    const other = await ann.request(VersionComparisonDocument, { ...asked, model: 'none' })
    expect(other.errors?.[0]?.extensions.code).toBe('MODEL_NOT_FOUND')
    const wrong = await ann.request(VersionComparisonDocument, { ...asked, from: range.to, to: range.from })
    expect(wrong.errors?.[0]?.extensions.problems?.[0]?.path).toEqual(['to'])
  })
})

describe('with RISKGATE_RELEASE_APPROVAL', () => {
  it('a promotion waits for another principal, on whichever gateway', async () => {
    await using strict = await startGateway({ RISKGATE_RELEASE_APPROVAL: 'true' })
    const proposer = await strict.as({ roles: ['MODEL_MANAGER'], subject: 'ann' })
    const { promoteModelVersion: proposed } = await promote('1', proposer)
    expect(proposed).toMatchObject({ rollout: { champion: '2' }, change: { state: 'PROPOSED', decidedBy: null } })
    const input = { changeId: present(proposed.change).id }
    const own = await proposer.request(ApproveReleaseChangeDocument, { input })
    expect(own.errors?.[0]?.extensions.code).toBe('FORBIDDEN')
    const bob = await strict.as({ roles: ['MODEL_MANAGER'], subject: 'bob' })
    const { approveReleaseChange: approved } = await bob.data(ApproveReleaseChangeDocument, { input })
    expect(approved).toMatchObject({
      rollout: { champion: '1' },
      change: { state: 'APPLIED', proposedBy: 'ann', decidedBy: 'bob' },
    })
    const late = await bob.request(RefuseReleaseChangeDocument, { input: { ...input, reason } })
    expect(late.errors?.[0]?.extensions.problems?.[0]?.path).toEqual(['changeId'])
  })
})
