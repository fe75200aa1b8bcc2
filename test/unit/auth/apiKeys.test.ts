import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { ApiKeySource, ApiKeyUse, StoredApiKey } from '../../../src/auth/apiKeySource.js'
import { ApiKeys } from '../../../src/auth/apiKeys.js'
import { type NewApiKeyText, newApiKeyText } from '../../../src/auth/apiKeyText.js'
import { Withdrawals } from '../../../src/auth/withdrawals.js'
import { AppError } from '../../../src/errors.js'
import { present } from '../../support/process.js'

const HOUR_MS = 3_600_000

/** Keys in memory; its answers can be delayed or fail. */
class MemoryKeys implements ApiKeySource {
  readonly keys = new Map<string, StoredApiKey>()
  readonly found: number[] = []
  readonly checked: (readonly string[])[] = []
  readonly noted: ApiKeyUse[][] = []
  isAway = false
  delayMs = 0
  asking = 0
  mostAsking = 0

  add(given: Partial<StoredApiKey> = {}): NewApiKeyText {
    const made = newApiKeyText()
    const { id, digest } = made
    const expiresAt = new Date(Date.now() + HOUR_MS)
    this.keys.set(id, { id, digest, tenant: 'bank', principal: 'web-shop', roles: ['SCORER'], expiresAt, ...given })
    return made
  }

  async #answer<T>(answer: () => T): Promise<T> {
    this.mostAsking = Math.max(this.mostAsking, ++this.asking)
    // A database answers with its state at the time of the question.
    const seen = answer()
    await new Promise(resolve => setTimeout(resolve, this.delayMs))
    this.asking--
    if (this.isAway) throw new AppError('SERVICE_UNAVAILABLE', 'away')
    return seen
  }

  find(ids: readonly string[]) {
    this.found.push(ids.length)
    return this.#answer(() => ids.flatMap(id => this.keys.get(id) ?? []))
  }
  withdrawn(ids: readonly string[]) {
    this.checked.push(ids)
    return this.#answer(() => ids.filter(id => !this.keys.has(id)))
  }
  noteUses(uses: readonly ApiKeyUse[]) {
    return this.#answer(() => this.noted.push([...uses])).then(() => {})
  }
}

let source: MemoryKeys
let withdrawals: Withdrawals
let apiKeys: ApiKeys

beforeEach(() => {
  vi.useFakeTimers()
  source = new MemoryKeys()
  withdrawals = new Withdrawals()
  apiKeys = new ApiKeys({ source, withdrawals })
})
afterEach(() => {
  vi.useRealTimers()
})

/** Waits for work, and lets all delayed answers come. */
async function done<T>(work: Promise<T>): Promise<T> {
  work.catch(() => {})
  await vi.runAllTimersAsync()
  return work
}

async function resultOf(text: string): Promise<string> {
  return done(apiKeys.authenticate(text)).then(
    () => 'OK',
    (error: AppError) => error.code,
  )
}

describe('an API key', () => {
  it('stands for its principal, and a second key of that principal for the same', async () => {
    const [one, two] = [source.add({ roles: ['SCORER', 'MONITOR'] }), source.add()]
    const principal = await done(apiKeys.authenticate(one.text))
    expect(principal).toMatchObject({ id: 'web-shop', tenant: 'bank', roles: ['SCORER', 'MONITOR'], credential: `key:${one.id}` })
    expect(principal.expiresAt).toEqual(source.keys.get(one.id)?.expiresAt)
    expect([...principal.permissions]).toContain('alert:read')
    expect(await done(apiKeys.authenticate(two.text))).toMatchObject({ id: 'web-shop', tenant: 'bank', roles: ['SCORER'] })
  })

  it('that is in use is looked up once, and then checked together with all others in one statement', async () => {
    const keys = [source.add(), source.add(), source.add()]
    for (let i = 0; i < 100; i++) for (const { text } of keys) expect(await resultOf(text)).toBe('OK')
    expect(source.found).toEqual([1, 1, 1])
    await done(apiKeys.check())
    expect(source.checked).toEqual([keys.map(({ id }) => id)])
  })

  it('keeps only those of its roles that exist', async () => {
    const { text } = source.add({ roles: ['SCORER', 'OF_ANOTHER_VERSION' as 'ADMIN'] })
    expect((await done(apiKeys.authenticate(text))).roles).toEqual(['SCORER'])
  })

  it('is not valid with the secret of another key', async () => {
    const [one, two] = [source.add(), source.add()]
    source.keys.set(one.id, { ...present(source.keys.get(two.id)), id: one.id })
    expect(await resultOf(one.text)).toBe('UNAUTHENTICATED')
  })

  it('is not valid from the instant it expires, even if it is remembered', async () => {
    const { text } = source.add({ expiresAt: new Date(Date.now() + 500) })
    expect(await resultOf(text)).toBe('OK')
    await vi.advanceTimersByTimeAsync(500)
    expect(await resultOf(text)).toBe('UNAUTHENTICATED')
    await expect(done(apiKeys.authenticate(text))).rejects.toThrow('The API key has expired; ask for a new one.')
  })

  it('can be found as last confirmed while the source does not answer, until it expires or is revoked', async () => {
    const { text } = source.add()
    expect(apiKeys.lastConfirmed(text)).toBeUndefined()
    expect(await resultOf(text)).toBe('OK')
    source.isAway = true
    await vi.advanceTimersByTimeAsync(5_000)
    expect(await resultOf(text)).toBe('SERVICE_UNAVAILABLE')
    expect(apiKeys.lastConfirmed(text)).toMatchObject({ id: 'web-shop' })
    expect(apiKeys.lastConfirmed(newApiKeyText().text)).toBeUndefined()
    await vi.advanceTimersByTimeAsync(HOUR_MS)
    expect(apiKeys.lastConfirmed(text)).toBeUndefined()
    const other = source.add()
    source.isAway = false
    expect(await resultOf(other.text)).toBe('OK')
    source.keys.delete(other.id)
    await done(apiKeys.check())
    expect(apiKeys.lastConfirmed(other.text)).toBeUndefined()
  })

  it('that is malformed is refused without a look-up', async () => {
    const { text } = source.add()
    for (const wrong of [
      `${text}x`,
      text.toUpperCase(),
      text.replace(/.$/, character => (character === '0' ? '1' : '0')),
      'riskgate_',
    ]) {
      expect(await resultOf(wrong)).toBe('UNAUTHENTICATED')
    }
    expect(source.found).toEqual([])
  })
})

describe('a revocation', () => {
  it('takes effect at the next check, which ends the streams of that key only', async () => {
    const [revoked, other] = [source.add(), source.add()]
    const ended: string[] = []
    for (const { id, text } of [revoked, other]) {
      const { credential } = await done(apiKeys.authenticate(text))
      withdrawals.watch(credential, () => ended.push(id))
    }
    source.keys.delete(revoked.id)
    await done(apiKeys.check())
    expect(ended).toEqual([revoked.id])
    expect(await resultOf(revoked.text)).toBe('UNAUTHENTICATED')
    expect(await resultOf(other.text)).toBe('OK')
  })

  it('also ends a stream of a key that is no longer remembered', async () => {
    const { id } = newApiKeyText()
    const ended = vi.fn()
    withdrawals.watch('secret', ended)
    withdrawals.watch(`key:${id}`, ended)
    await done(apiKeys.check())
    expect(source.checked).toEqual([[id]])
    expect(ended).toHaveBeenCalledOnce()
  })

  it('on this replica takes effect at once', async () => {
    const { id, text } = source.add()
    expect(await resultOf(text)).toBe('OK')
    source.keys.delete(id)
    apiKeys.withdraw(id)
    expect(await resultOf(text)).toBe('UNAUTHENTICATED')
  })

  it('that a check has seen is not undone by a look-up that began before it', async () => {
    const { id, text } = source.add()
    source.delayMs = 400
    const slow = apiKeys.authenticate(text)
    slow.catch(() => {})
    // The look-up has begun, and is not answered yet.
    await vi.advanceTimersByTimeAsync(0)
    source.keys.delete(id)
    source.delayMs = 0
    await vi.advanceTimersByTimeAsync(100)
    await apiKeys.check()
    await done(slow)
    await done(apiKeys.check())
    expect(await resultOf(text)).toBe('UNAUTHENTICATED')
  })
})

describe('keys that cannot be checked', () => {
  it('stay valid for 900 ms after the last answer; then they are refused, but streams stay open', async () => {
    const { text } = source.add()
    const { credential } = await done(apiKeys.authenticate(text))
    const ended = vi.fn()
    withdrawals.watch(credential, ended)
    source.isAway = true
    await vi.advanceTimersByTimeAsync(800)
    await expect(done(apiKeys.check())).rejects.toThrow()
    expect(await resultOf(text)).toBe('OK')
    await vi.advanceTimersByTimeAsync(101)
    expect(await resultOf(text)).toBe('SERVICE_UNAVAILABLE')
    expect(ended).not.toHaveBeenCalled()
    source.isAway = false
    expect(await resultOf(text)).toBe('OK')
    expect(ended).not.toHaveBeenCalled()
  })

  it('are refused if the answer took longer than that', async () => {
    const { text } = source.add()
    source.delayMs = 950
    expect(await resultOf(text)).toBe('SERVICE_UNAVAILABLE')
    source.delayMs = 0
    expect(await resultOf(text)).toBe('OK')
  })

  it('stay valid as long as checks are answered', async () => {
    const { text } = source.add()
    expect(await resultOf(text)).toBe('OK')
    for (let i = 0; i < 100; i++) {
      await vi.advanceTimersByTimeAsync(300)
      await done(apiKeys.check())
      expect(await resultOf(text)).toBe('OK')
    }
    expect(source.found).toEqual([1])
  })
})

describe('a flood of unknown keys', () => {
  it('is looked up with one statement at a time, and is not remembered', async () => {
    source.delayMs = 2
    const withdrawn = vi.spyOn(withdrawals, 'withdraw')
    const flood = Array.from({ length: 10_000 }, () => apiKeys.authenticate(newApiKeyText().text).catch(({ code }) => code))
    await vi.runAllTimersAsync()
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['UNAUTHENTICATED']))
    expect(source.mostAsking).toBe(1)
    expect(source.found).toEqual(Array.from({ length: 20 }, () => 500))
    await done(apiKeys.check())
    expect(source.checked).toEqual([])
    expect(withdrawn).not.toHaveBeenCalled()
  })

  it('waits in a queue of at most 10,000', async () => {
    source.delayMs = 2
    const flood = Array.from({ length: 10_001 }, () => apiKeys.authenticate(newApiKeyText().text).catch(({ code }) => code))
    await vi.runAllTimersAsync()
    const answers = await Promise.all(flood)
    expect(answers.filter(code => code === 'SERVICE_UNAVAILABLE')).toEqual(['SERVICE_UNAVAILABLE'])
  })

  it('does not block keys in use, and fails at once if the database is away', async () => {
    const { text } = source.add()
    expect(await resultOf(text)).toBe('OK')
    source.isAway = true
    source.delayMs = 700
    const flood = Array.from({ length: 2_000 }, () => apiKeys.authenticate(newApiKeyText().text).catch(({ code }) => code))
    expect((await apiKeys.authenticate(text)).id).toBe('web-shop')
    await vi.advanceTimersByTimeAsync(700)
    expect(new Set(await Promise.all(flood))).toEqual(new Set(['SERVICE_UNAVAILABLE']))
    expect(source.found).toEqual([1, 500])
  })
})

describe('the memory of keys', () => {
  it('holds the 10,000 keys that were used last', async () => {
    const keys = Array.from({ length: 10_001 }, () => source.add())
    for (const some of [keys.slice(0, 1), keys.slice(1)])
      await done(Promise.all(some.map(({ text }) => apiKeys.authenticate(text))))
    await done(apiKeys.check())
    expect(source.checked.map(ids => ids.length)).toEqual(Array.from({ length: 10 }, () => 1_000))
    expect(source.checked.flat()).not.toContain(keys[0]?.id)
    expect(await resultOf(present(keys[0]).text)).toBe('OK')
  }, 60_000)

  it('drops a key ten minutes after its last use', async () => {
    const { text } = source.add()
    expect(await resultOf(text)).toBe('OK')
    await vi.advanceTimersByTimeAsync(600_001)
    await done(apiKeys.check())
    expect(source.checked).toEqual([])
  })
})

describe('the last use of keys', () => {
  it('is noted for all keys in one statement, and not again until they are used again', async () => {
    const [one, two] = [source.add(), source.add()]
    await resultOf(one.text)
    await vi.advanceTimersByTimeAsync(10)
    for (const { text } of [two, one]) await resultOf(text)
    const at = new Date()
    await done(apiKeys.noteUses())
    await done(apiKeys.noteUses())
    expect(source.noted).toEqual([
      [
        { id: one.id, at },
        { id: two.id, at },
      ],
    ])
  })

  it('is noted later if noting failed, with the newest time', async () => {
    const [one, two] = [source.add(), source.add()]
    await resultOf(one.text)
    const first = new Date()
    await resultOf(two.text)
    source.isAway = true
    const failing = apiKeys.noteUses()
    failing.catch(() => {})
    await vi.advanceTimersByTimeAsync(0)
    await expect(failing).rejects.toThrow('away')
    source.isAway = false
    source.noted.length = 0
    await vi.advanceTimersByTimeAsync(5)
    await resultOf(two.text)
    await done(apiKeys.noteUses())
    expect(source.noted).toEqual([
      [
        { id: one.id, at: first },
        { id: two.id, at: new Date() },
      ],
    ])
  })

  it('is the present time while a stream of the key is open', async () => {
    const { id, text } = source.add()
    const callOff = withdrawals.watch((await done(apiKeys.authenticate(text))).credential, () => {})
    for (let day = 0; day < 2; day++) {
      await vi.advanceTimersByTimeAsync(24 * HOUR_MS)
      const at = new Date()
      await done(apiKeys.noteUses())
      expect(source.noted.at(-1)).toEqual([{ id, at }])
    }
    callOff()
    await done(apiKeys.noteUses())
    expect(source.noted).toHaveLength(2)
  })

  it('is not noted for a key that was refused', async () => {
    await resultOf(newApiKeyText().text)
    await done(apiKeys.noteUses())
    expect(source.noted).toEqual([])
  })
})
