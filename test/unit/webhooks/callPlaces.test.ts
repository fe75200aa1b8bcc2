import { describe, expect, it } from 'vitest'
import { CallPlaces } from '../../../src/webhooks/callPlaces.js'
import { present } from '../../support/process.js'

/** Takes places for calls that never end, until nobody gets another; answers how many each tenant has. */
function fill(places: CallPlaces, tenants: readonly string[], webhooksEach: number): Map<string, number> {
  const held = new Map<string, number>()
  for (let before = -1, all = 0; all > before; ) {
    before = all
    for (const tenant of tenants) {
      for (let i = 0; i < webhooksEach; i++) {
        const caller = { tenant, webhookId: `${tenant}-${i}` }
        for (let room = places.room(caller); room > 0; room--) {
          places.take(caller)
          held.set(tenant, (held.get(tenant) ?? 0) + 1)
          all++
        }
      }
    }
  }
  return held
}

const QUIET = { tenant: 'quiet', webhookId: 'quiet-0' }

describe('the places for calls', () => {
  it('are 16 for one webhook', () => {
    expect(fill(new CallPlaces(), ['only'], 1).get('only')).toBe(16)
  })

  it.each([1, 2, 5, 20, 30])('have one for a tenant without a call beside %i tenants whose calls never end', tenants => {
    const places = new CallPlaces()
    const noisy = Array.from({ length: tenants }, (_, i) => `noisy-${i}`)
    const held = fill(places, noisy, 20)
    expect(held.size).toBe(tenants)
    expect(places.room(QUIET)).toBeGreaterThan(0)
  })

  it('have one for a webhook without a call beside nineteen of its tenant whose calls never end', () => {
    const places = new CallPlaces()
    fill(places, ['only'], 19)
    expect(places.room({ tenant: 'only', webhookId: 'only-19' })).toBeGreaterThan(0)
  })

  it('are up to 16 for another tenant beside one whose calls never end', () => {
    const places = new CallPlaces()
    const noisy = present(fill(places, ['noisy'], 20).get('noisy'))
    expect(noisy).toBeGreaterThan(100)
    expect(places.room(QUIET)).toBe(16)
  })

  it('are bounded in all, however many tenants there are', () => {
    const held = fill(
      new CallPlaces(),
      Array.from({ length: 2_000 }, (_, i) => `tenant-${i}`),
      2,
    )
    expect([...held.values()].reduce((sum, calls) => sum + calls)).toBe(1_024)
  })

  it('are as many as before once the calls have ended', () => {
    const places = new CallPlaces()
    const before = places.room(QUIET)
    for (let i = 0; i < before; i++) places.take(QUIET)
    expect(places.room(QUIET)).toBe(0)
    for (let i = 0; i < before; i++) places.release(QUIET)
    expect(places.room(QUIET)).toBe(before)
    expect(places.heldBy(QUIET.webhookId)).toBe(0)
  })
})
