import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { ReleaseControl, type ReleaseControlSettings } from '../../src/releases/rollout/releaseControl.js'
import { PostgresRolloutStore } from '../../src/storage/releases/rolloutStore.js'
import { PostgresVersionStore } from '../../src/storage/releases/versionStore.js'
import { createTestDatabase, type TestDatabase } from '../support/database.js'
import { present } from '../support/process.js'
import { newVersion } from '../support/releases.js'
import { storesOf, type TestStores } from '../support/stores.js'

const ANN = { tenant: 'default', principal: 'ann' }
const BOB = { tenant: 'default', principal: 'bob' }
const model = 'consumer-credit'
const reason = 'It is better.'
const BAD_INPUT = (...path: string[]) =>
  expect.objectContaining({ code: 'BAD_USER_INPUT', problems: [expect.objectContaining({ path })] })

describe('release control', () => {
  let database: TestDatabase
  let gateways: readonly TestStores[]
  let versions: PostgresVersionStore
  let stores: readonly PostgresRolloutStore[]
  beforeAll(async () => {
    database = await createTestDatabase()
    gateways = [storesOf(database.url), storesOf(database.url)]
    stores = gateways.map(gateway => new PostgresRolloutStore(gateway.database))
    versions = new PostgresVersionStore(present(gateways[0]).database)
  })
  afterAll(async () => {
    for (const gateway of gateways) await gateway[Symbol.asyncDispose]()
    await database[Symbol.asyncDispose]()
  })
  beforeEach(async () => {
    await database.sql`truncate model_versions, model_rollouts, release_changes`
    for (const version of ['1', '2', '3', '4']) await versions.put(newVersion({ version }))
    await versions.put(newVersion({ version: 'no-golden', report: { championProblems: ['it has no golden rows.'] } }))
    await versions.put(newVersion({ version: 'broken', report: { problems: ['its output is constant.'] } }))
  })

  const controls = (settings?: ReleaseControlSettings) => stores.map(store => new ReleaseControl(store, settings))
  const control = (settings?: ReleaseControlSettings) => present(controls(settings)[0])
  const rollout = async () => (await present(stores[0]).read(model)).rollout
  const changes = () => present(stores[0]).page(model, { size: 100, after: undefined })
  const audited = () => database.sql<{ action: string; principal: string; details: Record<string, unknown> }[]>`
    select action, principal, details from audit_entries where subject = ${model} order by id`
  const champions = async (...names: string[]) => {
    for (const version of names) await control().promote(ANN, { model, version, reason })
  }

  it('promotes, splits, retires and rolls back, the same for all gateways', async () => {
    const revision = await versions.revision()
    await champions('1', '2', '3')
    expect(await versions.revision()).not.toBe(revision)
    await control().split(ANN, {
      model,
      reason,
      challenger: { version: '4', share: 0.1 },
      shadow: { version: 'no-golden', share: 1 },
    })
    await control().retire(ANN, { model, reason, version: '2' })
    expect((await versions.state()).rollouts).toEqual([
      {
        model,
        champion: '3',
        challenger: { version: '4', share: 0.1 },
        shadow: { version: 'no-golden', share: 1 },
        earlier: ['1'],
        retired: ['2'],
        revision: 5,
      },
    ])
    const { rollout: answered, change } = await control().rollback(BOB, { model, reason: 'It is worse.' })
    expect(answered).toEqual(await rollout())
    expect(answered).toMatchObject({ champion: '1', earlier: [], revision: 6 })
    expect(change).toMatchObject({
      request: { action: 'ROLLBACK', from: '3' },
      state: 'APPLIED',
      proposedBy: BOB,
      decidedBy: BOB,
    })
  })

  it('writes each change, and its entry of the audit', async () => {
    const before = (await audited()).length
    await champions('1')
    await control().promote(ANN, { model, version: '2', reason: 'Tested  für alle.' })
    expect((await changes()).map(({ request, reason: why }) => [request, why])).toEqual([
      [{ action: 'PROMOTE', version: '2' }, 'Tested  für alle.'],
      [{ action: 'PROMOTE', version: '1' }, reason],
    ])
    expect((await audited()).slice(before)).toEqual([
      { action: 'model.promoted', principal: 'ann', details: expect.objectContaining({ details: { version: '1' } }) },
      { action: 'model.promoted', principal: 'ann', details: expect.objectContaining({ reason: 'Tested  für alle.' }) },
    ])
  })

  it('changes nothing where the rollout is as asked, nor for a repeated rollback', async () => {
    await champions('1', '2', '3')
    await control().split(ANN, { model, reason, challenger: { version: '4', share: 0.1 }, shadow: undefined })
    await control().retire(ANN, { model, reason, version: 'broken' })
    await control().rollback(ANN, { model, reason, from: '3' })
    const before = [await rollout(), await changes()]
    const same = [
      await control().promote(ANN, { model, reason, version: '2' }),
      await control().split(ANN, { model, reason, challenger: { version: '4', share: 0.1 }, shadow: undefined }),
      await control().retire(ANN, { model, reason, version: 'broken' }),
    ]
    expect(same.map(({ change }) => change)).toEqual([undefined, undefined, undefined])
    await expect(control().rollback(ANN, { model, reason, from: '3' })).rejects.toEqual(BAD_INPUT('from'))
    expect([await rollout(), await changes()]).toEqual(before)
  })

  it.each([
    ['an unknown model', { model: 'other', version: '1' }, expect.objectContaining({ code: 'MODEL_NOT_FOUND' })],
    ['an unknown version', { version: '9' }, BAD_INPUT('version')],
    ['a version with problems', { version: 'broken' }, BAD_INPUT('version')],
    ['a champion without golden rows', { version: 'no-golden' }, BAD_INPUT('version')],
    ['no reason', { version: '1', reason: ' ' }, BAD_INPUT('reason')],
    ['a reason of more lines', { version: '1', reason: 'a\nb' }, BAD_INPUT('reason')],
    ['a long reason', { version: '1', reason: 'x'.repeat(501) }, BAD_INPUT('reason')],
  ])('refuses to promote: %s', async (_name, given, error) => {
    await expect(control().promote(ANN, { model, reason, ...given })).rejects.toEqual(error)
    expect(await changes()).toEqual([])
  })

  it.each([
    ['the champion as challenger', { challenger: { version: '2', share: 0.5 } }, ['challenger', 'version']],
    ['a challenger without golden rows', { challenger: { version: 'no-golden', share: 0.5 } }, ['challenger', 'version']],
    ['a challenger with all applicants', { challenger: { version: '3', share: 1 } }, ['challenger', 'share']],
    ['a challenger with nobody', { challenger: { version: '3', share: 0 } }, ['challenger', 'share']],
    ['a share that is no number', { shadow: { version: '3', share: Number.NaN } }, ['shadow', 'share']],
    ['a broken shadow', { shadow: { version: 'broken', share: 1 } }, ['shadow', 'version']],
    ['a retired shadow', { shadow: { version: '4', share: 1 } }, ['shadow', 'version']],
    [
      'one version as both',
      { challenger: { version: '3', share: 0.5 }, shadow: { version: '3', share: 1 } },
      ['shadow', 'version'],
    ],
  ])('refuses a split: %s', async (_name, given, path) => {
    await champions('1', '2')
    await control().retire(ANN, { model, reason, version: '4' })
    const asked = { model, reason, challenger: undefined, shadow: undefined, ...given }
    await expect(control().split(ANN, asked)).rejects.toEqual(BAD_INPUT(...path))
  })

  it('does not retire the champion, nor split without one, nor roll back without an earlier champion that may serve', async () => {
    await expect(
      control().split(ANN, { model, reason, challenger: undefined, shadow: { version: '1', share: 1 } }),
    ).rejects.toEqual(BAD_INPUT('model'))
    await expect(control().rollback(ANN, { model, reason })).rejects.toEqual(BAD_INPUT('from'))
    await champions('1')
    await expect(control().retire(ANN, { model, reason, version: '1' })).rejects.toEqual(BAD_INPUT('version'))
    await expect(control().rollback(ANN, { model, reason })).rejects.toEqual(BAD_INPUT('model'))
  })

  it('rolls back over an earlier champion whose newer report has problems, and keeps it', async () => {
    await champions('1', '2', '3')
    await versions.put(newVersion({ version: '2', report: { problems: ['it disagrees with its golden rows.'] } }))
    expect((await control().rollback(ANN, { model, reason })).rollout).toMatchObject({ champion: '1', earlier: ['2'] })
    await expect(control().rollback(ANN, { model, reason })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: 'No earlier champion may serve. The newest is 2. The version may not serve: it disagrees with its golden rows.',
    })
    await versions.put(newVersion({ version: '2' }))
    expect((await control().rollback(ANN, { model, reason })).rollout).toMatchObject({ champion: '2', earlier: [] })
  })

  it('does not roll back over an earlier champion that only lacks a trusted report, and names it', async () => {
    for (const version of ['1', '2', '3'])
      await versions.put(newVersion({ version, signature: version === '2' ? 'theirs' : 'ours' }))
    await champions('1', '2', '3')
    const ours = control({ isTrusted: ({ signature }) => signature === 'ours' })
    await expect(ours.rollback(ANN, { model, reason })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      message: expect.stringMatching(/^The earlier champion is 2\. The report .* admitModelVersion\.$/),
    })
    expect((await rollout()).champion).toBe('3')
    await versions.put(newVersion({ version: '2', signature: 'ours' }))
    expect((await ours.rollback(ANN, { model, reason })).rollout).toMatchObject({ champion: '2', earlier: ['1'] })
  })

  it('promotes a retired version when it is named', async () => {
    await champions('1', '2')
    await control().retire(ANN, { model, reason, version: '1' })
    expect((await control().promote(ANN, { model, reason, version: '1' })).rollout).toMatchObject({ champion: '1', retired: [] })
  })

  it('trusts only reports of this installation', async () => {
    await versions.put(newVersion({ version: 'signed', signature: 'ours' }))
    const ours = control({ isTrusted: ({ signature }) => signature === 'ours' })
    await expect(ours.promote(ANN, { model, reason, version: '1' })).rejects.toEqual(BAD_INPUT('version'))
    await ours.promote(ANN, { model, reason, version: 'signed' })
  })

  it('loses no change of two gateways at once', async () => {
    await champions('1')
    const all = ['2', '3', '4', '2', '3', '4']
    await Promise.all(all.map((version, i) => present(controls()[i % 2]).promote(ANN, { model, reason, version })))
    const { champion, revision } = await rollout()
    const made = await changes()
    expect(revision).toBe(made.length)
    expect(made[0]?.request).toEqual({ action: 'PROMOTE', version: champion })
  })

  describe('a source', () => {
    it('that decides is heard once, whichever gateway hears it', async () => {
      await Promise.all(
        controls().flatMap(each => [1, 2, 3].map(() => each.says(model, { source: 'folder', version: '2' }, true))),
      )
      expect(await changes()).toMatchObject([{ request: { version: '2' }, state: 'APPLIED', decidedBy: { principal: 'folder' } }])
      expect(await rollout()).toMatchObject({ champion: '2', revision: 1 })
    })

    it('that proposes is heard once, and changes nothing until a person approves', async () => {
      await champions('1')
      await Promise.all(
        controls().flatMap(each => [1, 2, 3].map(() => each.says(model, { source: 'mlflow', version: '2' }, false))),
      )
      const [proposed, ...others] = await changes()
      expect([proposed?.state, others.length]).toEqual(['PROPOSED', 1])
      expect(await rollout()).toMatchObject({ champion: '1', revision: 1 })
      await control().approve(ANN, present(proposed).id)
      expect(await rollout()).toMatchObject({ champion: '2', revision: 2 })
    })

    it('does not undo a rollback by saying the same again, also beside another source', async () => {
      await champions('1')
      await control().says(model, { source: 'mlflow', version: '1' }, true)
      await control().says(model, { source: 'folder', version: '2' }, true)
      await control().rollback(ANN, { model, reason })
      for (const each of controls()) await each.says(model, { source: 'folder', version: '2' }, true)
      await control().says(model, { source: 'mlflow', version: '1' }, true)
      expect((await rollout()).champion).toBe('1')
      await control().says(model, { source: 'folder', version: '3' }, true)
      expect((await rollout()).champion).toBe('3')
    })

    it('is not heard where it said so before what was followed last, as the folder of an older replica', async () => {
      const said = (version: string, seconds: number) => ({ source: 'folder' as const, version, at: new Date(seconds * 1_000) })
      const champion = async (version: string, seconds: number) =>
        (await control().says(model, said(version, seconds), true)).rollout.champion
      expect(await champion('2', 2_000)).toBe('2')
      expect(await champion('1', 1_000)).toBe('2')
      expect(await champion('1', 2_000)).toBe('2')
      expect(await champion('1', 3_000)).toBe('1')
      // The same word, later: what was said in between counts no more.
      expect(await champion('1', 5_000)).toBe('1')
      expect(await champion('2', 4_000)).toBe('1')
    })

    it('gives a model its first champion, also where it may only propose', async () => {
      expect((await control().says(model, { source: 'mlflow', version: '2' }, false)).rollout.champion).toBe('2')
    })

    it('is heard again after what it said was refused', async () => {
      await champions('1')
      await expect(control().says(model, { source: 'folder', version: 'later' }, true)).rejects.toEqual(BAD_INPUT('version'))
      await versions.put(newVersion({ version: 'later' }))
      expect((await control().says(model, { source: 'folder', version: 'later' }, true)).rollout.champion).toBe('later')
    })
  })

  describe('with approval by a second principal', () => {
    const strict = () => control({ needsApproval: true })
    const proposal = async () => present((await strict().promote(ANN, { model, reason, version: '2' })).change)
    beforeEach(() => champions('1'))

    it('proposes a promotion, a split and a retirement', async () => {
      const proposed = [
        await strict().promote(ANN, { model, reason, version: '2' }),
        await strict().split(ANN, { model, reason, challenger: undefined, shadow: { version: '3', share: 0.5 } }),
        await strict().retire(ANN, { model, reason, version: '4' }),
      ]
      expect(proposed.map(({ change }) => change?.state)).toEqual(['PROPOSED', 'PROPOSED', 'PROPOSED'])
      expect(await rollout()).toMatchObject({ champion: '1', shadow: undefined, retired: [], revision: 1 })
      await strict().approve(BOB, present(proposed[0]?.change).id)
      await strict().split(ANN, { model, reason, challenger: undefined, shadow: { version: '3', share: 0.5 } })
      await strict().approve(BOB, present((await changes())[0]).id)
      await strict().retire(ANN, { model, reason, version: '4' })
      await strict().approve(BOB, present((await changes())[0]).id)
      expect(await rollout()).toMatchObject({ champion: '2', shadow: { version: '3', share: 0.5 }, retired: ['4'], revision: 4 })
      expect((await audited()).slice(-8).map(({ action, principal }) => `${principal} ${action}`)).toEqual([
        'ann model.change-proposed',
        'ann model.change-proposed',
        'ann model.change-proposed',
        'bob model.promoted',
        'ann model.change-proposed',
        'bob model.split',
        'ann model.change-proposed',
        'bob model.retired',
      ])
    })

    it('answers a repeated request with the open proposal, also of two gateways at once', async () => {
      await database.sql`truncate model_rollouts, release_changes`
      const share = { version: '3', share: 0.5 }
      const requests: ((one: ReleaseControl) => ReturnType<ReleaseControl['promote']>)[] = [
        one => one.promote(ANN, { model, reason, version: '2' }),
        one => one.retire(ANN, { model, reason, version: '4' }),
      ]
      const twoGateways = controls({ needsApproval: true })
      const idsOf = async (request: (typeof requests)[number]) => {
        const made = await Promise.all([...twoGateways, ...twoGateways].map(request))
        return new Set(made.map(({ change }) => present(change).id))
      }
      for (const request of requests) expect((await idsOf(request)).size).toBe(1)
      await champions('1')
      expect((await idsOf(one => one.split(ANN, { model, reason, challenger: share, shadow: undefined }))).size).toBe(1)
      expect((await changes()).filter(({ state }) => state === 'PROPOSED')).toHaveLength(3)
    })

    it('proposes again for another principal, another request, a changed rollout, and after a refusal', async () => {
      const first = await proposal()
      await strict().promote(BOB, { model, reason, version: '2' })
      await strict().promote(ANN, { model, reason, version: '3' })
      await strict().refuse(BOB, first.id, 'No.')
      await proposal()
      await champions('4')
      await proposal()
      await proposal()
      expect((await changes()).filter(({ proposedOn }) => proposedOn !== undefined)).toHaveLength(5)
    })

    it('does not apply a proposal after another change', async () => {
      const { id } = await proposal()
      await champions('3')
      await expect(strict().approve(BOB, id)).rejects.toMatchObject({
        code: 'BAD_USER_INPUT',
        message: 'The rollout has changed since: propose it again.',
        problems: [{ path: ['changeId'] }],
      })
      expect((await rollout()).champion).toBe('3')
      await strict().approve(BOB, (await proposal()).id)
      expect((await rollout()).champion).toBe('2')
    })

    it('does not apply the proposal of an older release, which names no revision', async () => {
      const { id } = await proposal()
      await database.sql`update release_changes set details = '{"version":"2"}' where id = ${id}`
      await expect(strict().approve(BOB, id)).rejects.toEqual(BAD_INPUT('changeId'))
      await strict().refuse(BOB, id, 'Old.')
    })

    it('never lets a principal approve its own proposal, and one of the same name in another tenant is another one', async () => {
      const { id } = await proposal()
      await expect(strict().approve(ANN, id)).rejects.toEqual(expect.objectContaining({ code: 'FORBIDDEN' }))
      await strict().approve({ tenant: 'other', principal: 'ann' }, id)
      expect((await changes())[0]).toMatchObject({
        state: 'APPLIED',
        proposedBy: ANN,
        decidedBy: { tenant: 'other', principal: 'ann' },
      })
    })

    it('does not make a rollback wait', async () => {
      await champions('2')
      expect((await strict().rollback(ANN, { model, reason })).rollout.champion).toBe('1')
    })

    it('asks the rules again at the approval', async () => {
      const { id } = await proposal()
      await versions.put(newVersion({ version: '2', report: { problems: ['it is too slow.'] } }))
      await expect(strict().approve(BOB, id)).rejects.toEqual(BAD_INPUT('version'))
      expect((await changes())[0]?.state).toBe('PROPOSED')
    })

    it('decides once: of two approvals and a refusal at once, one wins', async () => {
      const { id } = await proposal()
      const [first, second] = controls({ needsApproval: true })
      const results = await Promise.allSettled([
        present(first).approve(BOB, id),
        present(second).approve({ ...BOB, principal: 'eve' }, id),
        present(second).refuse(BOB, id, 'No.'),
      ])
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
      for (const result of results) if (result.status === 'rejected') expect(result.reason).toEqual(BAD_INPUT('changeId'))
      const { state } = present((await changes())[0])
      expect((await rollout()).champion).toBe(state === 'APPLIED' ? '2' : '1')
    })

    it('lets the proposer withdraw', async () => {
      const { id } = await proposal()
      const { change } = await strict().refuse(ANN, id, 'A mistake.')
      expect(change).toMatchObject({ state: 'REFUSED', decidedBy: ANN, decisionReason: 'A mistake.' })
      await expect(strict().approve(BOB, id)).rejects.toEqual(BAD_INPUT('changeId'))
    })

    it('knows no change of another id', async () => {
      const id = '01890000-0000-7000-8000-000000000000'
      await expect(strict().approve(BOB, id)).rejects.toEqual(expect.objectContaining({ code: 'NOT_FOUND' }))
    })
  })
})
