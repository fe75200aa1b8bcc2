import { describe, expect, it } from 'vitest'
import { isInShare } from '../../../../src/releases/serving/challengerShare.js'
import { type ModelEntry, ModelRegistry } from '../../../../src/releases/serving/modelRegistry.js'
import { watchedScorer } from '../../../../src/releases/serving/watchedScorer.js'
import { Release, type Scorer } from '../../../../src/scoring/release.js'
import { contract, manifest } from '../../support/domain.js'
import { installed, releaseOf } from '../../support/releases.js'

const MODEL = contract.name
const APPLICANTS = Array.from({ length: 10_000 }, (_, i) => `applicant-${i}`)

function entryOf(given: Partial<ModelEntry>): ModelEntry {
  return { contract, champion: undefined, versions: [], ...given }
}

describe('the share of a challenger', () => {
  const inShare = (share: number, version = '2') => new Set(APPLICANTS.filter(id => isInShare(MODEL, version, id, share)))

  it.each([0.01, 0.1, 0.5, 0.9])('is about the part that it says: %d', share => {
    // Five standard deviations of a binomial distribution.
    const most = 5 * Math.sqrt(APPLICANTS.length * share * (1 - share))
    expect(Math.abs(inShare(share).size - share * APPLICANTS.length)).toBeLessThan(most)
  })

  it('is all for 1 and nobody for 0', () => {
    expect([inShare(0).size, inShare(1).size]).toEqual([0, APPLICANTS.length])
  })

  it('keeps its applicants when it grows, and another challenger gets others', () => {
    const [small, large, other] = [inShare(0.1), inShare(0.3), inShare(0.1, '3')]
    expect([...small].every(id => large.has(id))).toBe(true)
    const both = [...small].filter(id => other.has(id)).length
    expect(both).toBeGreaterThan(0)
    expect(both).toBeLessThan(small.size / 4)
  })

  it('is the same for all gateways: these applicants are in a tenth', () => {
    const first = APPLICANTS.slice(0, 60).filter(id => isInShare('consumer-credit', '2', id, 0.1))
    expect(first).toEqual([0, 1, 2, 50, 53, 57].map(i => `applicant-${i}`))
  })
})

describe('a registry', () => {
  it('lets the challenger answer its share of the applicants, and each of them always', () => {
    const [champion, challenger] = [releaseOf('1'), releaseOf('2')]
    const registry = new ModelRegistry([entryOf({ champion, challenger: { release: challenger, share: 0.3 } })])
    for (const id of APPLICANTS.slice(0, 200)) {
      expect(registry.serving(MODEL, id)).toBe(isInShare(MODEL, '2', id, 0.3) ? challenger : champion)
    }
  })

  it('serves by the entry that came last', () => {
    const [first, second] = [releaseOf('1'), releaseOf('2')]
    const registry = new ModelRegistry([entryOf({ champion: first, versions: [installed('1', 'CHAMPION')] })])
    registry.replace(entryOf({ champion: second, versions: [installed('1', 'RETIRED'), installed('2', 'CHAMPION')] }))
    expect(registry.serving(MODEL, 'a')).toBe(second)
    expect(registry.champions).toEqual([second])
    expect(registry.answering).toEqual([second])
    expect(registry.version(MODEL, '1')?.stage).toBe('RETIRED')
    expect(registry.notServing).toEqual([])
    registry.replace(entryOf({}))
    expect(registry.notServing).toEqual([MODEL])
    expect(registry.champions).toEqual([])
    expect(() => registry.serving(MODEL, 'a')).toThrow(expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }))
  })

  it('says that a model does not serve while the worker of its champion is started again', () => {
    let isAway = true
    const scorer: Scorer = {
      score: async rows => rows.map(() => 0.5),
      get isAway() {
        return isAway
      },
    }
    const watched = watchedScorer(scorer, manifest, { observeScoring: () => {}, warn: () => {} })
    const registry = new ModelRegistry([entryOf({ champion: new Release(contract, manifest, watched) })])
    expect(registry.notServing).toEqual([MODEL])
    expect(registry.champions).toHaveLength(1)
    isAway = false
    expect(registry.notServing).toEqual([])
  })

  it('answers with champion and challenger, and with no shadow', () => {
    const [champion, challenger, shadow] = [releaseOf('1'), releaseOf('2'), releaseOf('3')]
    const shadows = [{ release: shadow, share: 1, beside: undefined }]
    const registry = new ModelRegistry([entryOf({ champion, challenger: { release: challenger, share: 0.5 }, shadows })])
    expect(registry.answering).toEqual([champion, challenger])
  })

  it('takes no model that was not there at the start', () => {
    const registry = new ModelRegistry([])
    expect(() => registry.replace(entryOf({}))).toThrow('after a restart')
    expect(registry.models).toEqual([])
  })
})
