import { describe, expect, it } from 'vitest'
import { ModelRegistry } from '../../../../src/releases/serving/modelRegistry.js'
import { type LoadVersion, ServingVersions, type WantedVersions } from '../../../../src/releases/serving/swap.js'
import type { Release } from '../../../../src/scoring/release.js'
import { contract, manifest } from '../../support/domain.js'
import { installed, releaseOf } from '../../support/releases.js'

const MODEL = contract.name
const NOBODY = { champion: undefined, challenger: undefined, shadow: undefined }

/** A model without a champion, whose loads and frees are noted. */
class Model {
  readonly registry = new ModelRegistry([{ contract, champion: undefined, versions: [] }])
  readonly loads: string[] = []
  readonly freed: string[] = []
  readonly switches: string[] = []
  readonly broken = new Set<string>()
  readonly serving = new ServingVersions(this.registry, {
    switched: ({ champion, challenger }) =>
      this.switches.push([champion?.manifest.version, challenger?.release.manifest.version].join('/')),
    warn: message => {
      throw new Error(message)
    },
  })

  readonly load: LoadVersion = async (version, purpose) => {
    const name = purpose === 'answers' ? version : `${version} as shadow`
    this.loads.push(name)
    if (this.broken.has(version)) throw new Error('no such graph')
    return releaseOf(version, { release: async () => void this.freed.push(name) })
  }

  apply(wanted: Partial<WantedVersions>, load = this.load): Promise<readonly string[]> {
    return this.serving.apply(MODEL, { ...NOBODY, versions: ['1', '2', '3'].map(name => installed(name)), ...wanted }, load)
  }

  get champion(): string | undefined {
    return this.registry.model(MODEL)?.champion?.manifest.version
  }

  get stages(): Record<string, string> {
    const { versions = [] } = this.registry.model(MODEL) ?? {}
    return Object.fromEntries(versions.map(({ version, stage }) => [version, stage]))
  }
}

describe('a swap', () => {
  it('loads the wanted version, switches, and frees the one before', async () => {
    const model = new Model()
    expect(await model.apply({ champion: '1' })).toEqual([])
    expect(await model.apply({ champion: '2' })).toEqual([])
    await model.serving.close()
    expect(model.loads).toEqual(['1', '2'])
    expect(model.freed).toEqual(['1', '2'])
    expect(model.switches).toEqual(['1/', '2/'])
  })

  it('answers rows in hand before it frees their version', async () => {
    const model = new Model()
    const events: string[] = []
    let finish = () => {}
    const hold = new Promise<void>(resolve => {
      finish = resolve
    })
    const slow = releaseOf('1', {
      score: async rows => {
        await hold
        events.push('run')
        return rows.map(() => 0.5)
      },
      release: async () => void events.push('freed'),
    })
    await model.apply({ champion: '1' }, async () => slow)
    const inHand = slow.score({})
    await model.apply({ champion: '2' })
    expect(model.champion).toBe('2')
    await expect(slow.score({})).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(events).toEqual([])
    finish()
    expect(await inHand).toMatchObject({ probability: 0.5 })
    await model.serving.close()
    expect(events).toEqual(['run', 'freed'])
  })

  it('uses again what is loaded', async () => {
    const model = new Model()
    await model.apply({ champion: '1' })
    await model.apply({ champion: '1', challenger: { version: '2', share: 0.1 } })
    await model.apply({ champion: '2', challenger: { version: '1', share: 0.5 } })
    expect(model.loads.filter(name => !name.includes('shadow'))).toEqual(['1', '2'])
    expect(model.stages).toEqual({ 1: 'CHALLENGER', 2: 'CHAMPION', 3: 'CANDIDATE' })
    await model.apply({ champion: '2' })
    expect(model.stages).toEqual({ 1: 'CANDIDATE', 2: 'CHAMPION', 3: 'CANDIDATE' })
    await model.serving.close()
    expect([...model.freed].sort()).toEqual([...model.loads].sort())
  })

  it('loads a version anew whose manifest has changed', async () => {
    const model = new Model()
    await model.apply({ champion: '1' })
    await model.apply({ champion: '1' })
    expect(model.loads).toEqual(['1'])
    const changed = { ...manifest, version: '1', onnx: { ...manifest.onnx, sha256: '1'.repeat(64) } }
    await model.apply({ champion: '1', versions: [{ ...installed('1'), manifest: changed }] })
    expect(model.loads).toEqual(['1', '1'])
  })

  it('leaves the champion where a version cannot be loaded, and tells the reason', async () => {
    const model = new Model()
    await model.apply({ champion: '1' })
    model.broken.add('2')
    const reasons = [`${MODEL}/2 cannot be loaded: no such graph.`]
    expect(await model.apply({ champion: '2' })).toEqual(reasons)
    expect(model.champion).toBe('1')
    expect(model.stages).toMatchObject({ 1: 'CHAMPION', 2: 'CANDIDATE' })
    expect(model.registry.model(MODEL)?.problems).toEqual(reasons)
    model.broken.clear()
    expect(await model.apply({ champion: '2' })).toEqual([])
    expect(model.registry.model(MODEL)?.problems).toEqual([])
    expect(model.champion).toBe('2')
  })

  it('leaves the champion alone where a challenger or a shadow cannot be loaded', async () => {
    const model = new Model()
    model.broken.add('2').add('3')
    const wanted = { champion: '1', challenger: { version: '2', share: 0.5 }, shadow: { version: '3', share: 1 } }
    expect(await model.apply(wanted)).toHaveLength(2)
    expect(model.champion).toBe('1')
    expect(model.registry.model(MODEL)).toMatchObject({ challenger: undefined, shadows: [] })
  })

  it('takes the champion away where none is wanted', async () => {
    const model = new Model()
    await model.apply({ champion: '1' })
    await model.apply({})
    expect(model.registry.notServing).toEqual([MODEL])
    await model.serving.close()
    expect(model.freed).toEqual(['1'])
  })

  it('keeps the stages of versions that do not serve', async () => {
    const model = new Model()
    const versions = [installed('1'), installed('2', 'RETIRED'), installed('3', 'REJECTED')]
    await model.apply({ champion: '1', versions })
    expect(model.stages).toEqual({ 1: 'CHAMPION', 2: 'RETIRED', 3: 'REJECTED' })
  })

  it('loads shadows of their own: that which is wanted, and beside a challenger each of the two for the other', async () => {
    const model = new Model()
    const shadow = { version: '3', share: 0.25 }
    await model.apply({ champion: '1', challenger: { version: '2', share: 0.1 }, shadow })
    const seen = model.registry.model(MODEL)?.shadows?.map(({ release, ...rest }) => [release.manifest.version, rest])
    expect(seen).toEqual([
      ['1', { share: 1, beside: '2' }],
      ['2', { share: 1, beside: '1' }],
      ['3', { share: 0.25, beside: undefined }],
    ])
    expect(model.stages).toEqual({ 1: 'CHAMPION', 2: 'CHALLENGER', 3: 'SHADOW' })
    expect(model.loads).toEqual(['1', '2', '1 as shadow', '2 as shadow', '3 as shadow'])
    await model.apply({ champion: '1', challenger: { version: '3', share: 0.1 }, shadow })
    expect(model.registry.model(MODEL)?.shadows?.map(({ release }) => release.manifest.version)).toEqual(['1', '3'])
    await model.apply({ champion: '3', shadow })
    expect(model.registry.model(MODEL)?.shadows).toEqual([])
    await model.serving.close()
    expect([...model.freed].sort()).toEqual([...model.loads].sort())
  })

  it('works on one wish after the other, and only on the last of those that wait', async () => {
    const model = new Model()
    const waiting: ((release: Release) => void)[] = []
    const slowly: LoadVersion = version => {
      model.loads.push(version)
      return new Promise(resolve => waiting.push(resolve))
    }
    const all = ['1', '2', '3'].map(champion => model.apply({ champion }, slowly))
    await Promise.resolve()
    expect(model.loads).toEqual(['1'])
    waiting.shift()?.(releaseOf('1'))
    while (waiting.length === 0) await new Promise(setImmediate)
    expect(model.loads).toEqual(['1', '3'])
    waiting.shift()?.(releaseOf('3'))
    expect(await Promise.all(all)).toEqual([[], [], []])
    expect(model.switches).toEqual(['1/', '3/'])
  })

  it('frees what was loaded while the gateway stops', async () => {
    const model = new Model()
    await model.apply({ champion: '1' })
    let arrive = () => {}
    const applied = model.apply({ champion: '2' }, async (...wanted) => {
      await new Promise<void>(resolve => {
        arrive = resolve
      })
      return model.load(...wanted)
    })
    const closed = model.serving.close()
    arrive()
    expect(await applied).toHaveLength(1)
    await closed
    expect(model.freed).toEqual(['2', '1'])
    expect(model.champion).toBe('1')
  })

  it('tells that a model which was not there at the start needs a restart', async () => {
    const model = new Model()
    const problems = await model.serving.apply('mortgage', { ...NOBODY, versions: [] }, model.load)
    expect(problems).toEqual([expect.stringContaining('after a restart')])
  })
})
