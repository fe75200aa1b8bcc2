import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import type { KeySetError } from '../../../src/auth/fetchKeySet.js'
import { KeySet, type KeySetOptions } from '../../../src/auth/keySet.js'
import type { VerificationKey } from '../../../src/auth/verificationKey.js'
import { makeKey, startIssuer, type TestIssuer } from '../../support/issuer.js'
import { until } from '../../support/process.js'

const FIRST = makeKey('ES256', 'first')
const SECOND = makeKey('ES256', 'second')
// The issuer shares the machine with other tests: only an issuer that hangs may take so long to answer.
const FAST = { refreshMs: 60_000, retryMs: 60_000, minPauseMs: 20, timeoutMs: 20_000 }
const HANGS = /did not answer within/
const UNTIL_GIVEN_UP = { timeoutMs: 1_000 }
const es256 = (id?: string) => ({ id, algorithm: 'ES256' })

interface Followed extends AsyncDisposable {
  readonly keySet: KeySet
  /** The result of each fetch: `ok`, or why it failed. */
  readonly fetches: string[]
  readonly added: string[]
  readonly gone: string[]
}

function follow({ url }: Pick<TestIssuer, 'url'>, options: Partial<KeySetOptions> = {}): Followed {
  const fetches: string[] = []
  const [added, gone]: [string[], string[]] = [[], []]
  const credentials = (keys: readonly VerificationKey[]) => keys.map(({ credential }) => credential)
  const keySet = new KeySet({
    url: new URL(url),
    algorithms: ['RS256', 'PS256', 'ES256', 'EdDSA'],
    changed: (come, left) => {
      added.push(...credentials(come))
      gone.push(...credentials(left))
    },
    fetched: (failure: KeySetError | undefined) => fetches.push(failure?.message ?? 'ok'),
    ...FAST,
    ...options,
  })
  keySet.start()
  return { keySet, fetches, added, gone, [Symbol.asyncDispose]: () => keySet.stop() }
}

describe('the key set of an issuer', () => {
  it('is fetched at the start, and a token that comes earlier waits for it', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer)
    expect(await followed.keySet.find(es256('first'))).toMatchObject({ id: 'first', credential: 'jwt:first' })
    expect(issuer.requests).toHaveLength(1)
    expect(followed.fetches).toEqual(['ok'])
  })

  it('is fetched periodically, and only added and removed keys are reported', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer, { refreshMs: 30 })
    await followed.keySet.find(es256('first'))
    issuer.keys = [FIRST, SECOND]
    await until(() => followed.added.length === 2)
    issuer.keys = [SECOND]
    await until(() => followed.gone.length === 1)
    await issuer.asked(issuer.requests.length + 2)
    expect(followed.added).toEqual(['jwt:first', 'jwt:second'])
    expect(followed.gone).toEqual(['jwt:first'])
    expect(await followed.keySet.find(es256('first'))).toBeUndefined()
  })

  it('treats a different key of the same name as a new key', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer, { refreshMs: 30 })
    const before = await followed.keySet.find(es256('first'))
    issuer.keys = [makeKey('ES256', 'first')]
    await until(() => followed.gone.length === 1)
    expect(followed.added).toEqual(['jwt:first', 'jwt:first'])
    expect(before && followed.keySet.holds(before)).toBe(false)
  })

  it('is fetched again for an unknown key, and so finds a key that was published meanwhile', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer)
    await followed.keySet.find(es256('first'))
    issuer.keys = [FIRST, SECOND]
    expect(await followed.keySet.find(es256('second'))).toMatchObject({ id: 'second' })
  })

  it('is fetched again if a key was published while an older set was on its way', async () => {
    await using issuer = await startIssuer([FIRST])
    let old: ServerResponse | undefined
    issuer.answer = (_request, response) => {
      old = response
    }
    await using followed = follow(issuer)
    await issuer.asked(1)
    const found = followed.keySet.find(es256('second'))
    issuer.answer = undefined
    issuer.keys = [FIRST, SECOND]
    old?.end(JSON.stringify({ keys: [FIRST.jwk] }))
    expect(await found).toMatchObject({ id: 'second' })
    expect(issuer.requests).toHaveLength(2)
  })

  it('is fetched at most once in each pause, however many unknown keys come', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer, { minPauseMs: 150 })
    await followed.keySet.find(es256('first'))
    const startedAt = performance.now()
    for (let round = 0; round < 4; round++) {
      const answers = await Promise.all(
        Array.from({ length: 200 }, (_, i) => followed.keySet.find(es256(`made-up-${round}-${i}`))),
      )
      expect(answers.every(answer => answer === undefined)).toBe(true)
    }
    expect(issuer.requests.length).toBeLessThanOrEqual(1 + Math.ceil((performance.now() - startedAt) / 150))
  })

  it('lets at most a thousand unknown keys wait for it, and known keys do not wait', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer, { minPauseMs: 1_000 })
    await followed.keySet.find(es256('first'))
    const waiting = Array.from({ length: 1_000 }, (_, i) => followed.keySet.find(es256(`made-up-${i}`)))
    await expect(followed.keySet.find(es256('one-more'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(await followed.keySet.find(es256('first'))).toBeDefined()
    expect(issuer.requests).toHaveLength(1)
    expect((await Promise.all(waiting)).every(answer => answer === undefined)).toBe(true)
    expect(await followed.keySet.find(es256('one-more'))).toBeUndefined()
  })

  it('is not fetched again for an algorithm that is not allowed, nor for a known key with another algorithm', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer)
    await followed.keySet.find(es256('first'))
    expect(await followed.keySet.find({ id: 'second', algorithm: 'ES384' })).toBeUndefined()
    expect(await followed.keySet.find({ id: 'second', algorithm: 'HS256' })).toBeUndefined()
    expect(await followed.keySet.find({ id: 'second', algorithm: 'none' })).toBeUndefined()
    expect(await followed.keySet.find({ id: 'first', algorithm: 'RS256' })).toBeUndefined()
    expect(issuer.requests).toHaveLength(1)
  })

  it('finds the key of a token that names none if exactly one fits', async () => {
    await using issuer = await startIssuer([FIRST, makeKey('RS256', 'rsa'), makeKey('EdDSA', undefined)])
    await using followed = follow(issuer)
    expect(await followed.keySet.find({ id: undefined, algorithm: 'RS256' })).toMatchObject({ id: 'rsa' })
    expect(await followed.keySet.find({ id: undefined, algorithm: 'EdDSA' })).toMatchObject({ id: undefined })
    issuer.keys = [FIRST, SECOND]
    await followed.keySet.find(es256('second'))
    expect(await followed.keySet.find(es256())).toBeUndefined()
  })

  it('tells keys of one name apart by their algorithm, and finds none if it cannot tell two apart', async () => {
    const [rsa, namesake] = [makeKey('RS256', 'first'), makeKey('ES256', 'twice')]
    await using issuer = await startIssuer([FIRST, rsa, makeKey('ES256', 'twice'), namesake, SECOND, SECOND])
    await using followed = follow(issuer)
    expect(await followed.keySet.find(es256('first'))).toMatchObject({ algorithm: 'ES256' })
    expect(await followed.keySet.find({ id: 'first', algorithm: 'RS256' })).toMatchObject({ algorithm: 'RS256' })
    expect(await followed.keySet.find(es256('twice'))).toBeUndefined()
    expect(await followed.keySet.find(es256('second'))).toBeDefined()
  })

  it('stops at once, even while the issuer does not answer, and refuses waiting tokens', async () => {
    await using issuer = await startIssuer([FIRST])
    issuer.answer = () => {}
    const { keySet } = follow(issuer, { timeoutMs: 60_000 })
    const found = keySet.find(es256('first'))
    await issuer.asked(1)
    await Promise.all([keySet.stop(), expect(found).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })])
    await expect(keySet.find(es256('first'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    expect(issuer.requests).toHaveLength(1)
  })
})

describe('an issuer that', () => {
  const set = (keys: object[]) => JSON.stringify({ keys })
  const answering = (body: string | Buffer, headers: Record<string, string> = {}) => {
    return (_request: unknown, response: ServerResponse) => void response.writeHead(200, headers).end(body)
  }
  it.each<[string, TestIssuer['answer'], RegExp]>([
    ['breaks off the connection', (_request, response) => void response.destroy(), /could not be fetched/],
    ['never answers', () => {}, HANGS],
    ['never ends its answer', (_request, response) => void response.writeHead(200).write('{"keys": ['), HANGS],
    ['answers byte by byte', byteByByte, HANGS],
    ['answers with an error', (_request, response) => void response.writeHead(503).end(set([SECOND.jwk])), /status 503/],
    ['has moved', (_request, response) => void response.writeHead(302, { location: '/elsewhere' }).end(), /status 302/],
    ['answers with far too many bytes', answering(`${' '.repeat(300_000)}${set([SECOND.jwk])}`), /longer than/],
    [
      'answers with far too many bytes, compressed',
      answering(gzipSync(`${' '.repeat(50_000_000)}${set([])}`), { 'content-encoding': 'gzip' }),
      /longer than/,
    ],
    ['answers with a web page', answering('<html>Please log in</html>'), /not JSON/],
    ['answers with an empty body', answering(''), /not JSON/],
    ['answers with null', answering('null'), /not a JSON Web Key Set/],
    ['answers with a list', answering('[]'), /not a JSON Web Key Set/],
    ['answers with keys that are no list', answering('{"keys": {"0": {}}}'), /not a JSON Web Key Set/],
    ['answers with 101 keys', answering(set(Array(101).fill(SECOND.jwk))), /not a JSON Web Key Set/],
    ['answers with half a set', answering(set([SECOND.jwk]).slice(0, -20)), /not JSON/],
    ['answers with no key', answering(set([])), /no usable key/],
    ['answers with keys of wrong types', answering('{"keys": [null, 5, "x", [], {}]}'), /no usable key/],
    ['answers with nested lists', answering(`{"keys": ${'['.repeat(60_000)}${']'.repeat(60_000)}}`), /no usable key/],
  ])(
    '%s removes no key: the last good keys stay, and a token with an unknown key may be sent again later',
    async (_what, answer, why) => {
      await using issuer = await startIssuer([FIRST])
      await using followed = follow(issuer, why === HANGS ? UNTIL_GIVEN_UP : {})
      const { keySet, fetches, gone } = followed
      const known = await keySet.find(es256('first'))
      issuer.answer = answer
      await expect(keySet.find(es256('second'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
      expect(fetches).toEqual(['ok', expect.stringMatching(why)])
      expect(await keySet.find(es256('first'))).toBe(known)
      expect(gone).toEqual([])
      issuer.answer = undefined
      issuer.keys = [FIRST, SECOND]
      expect(await keySet.find(es256('second'))).toBeDefined()
    },
  )

  it('is down at the start is asked until it answers', async () => {
    const { url, ...gone } = await startIssuer([FIRST])
    await gone[Symbol.asyncDispose]()
    await using followed = follow({ url }, { retryMs: 30 })
    await expect(followed.keySet.find(es256('first'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
    await until(() => followed.fetches.length >= 3)
    expect(new Set(followed.fetches)).toEqual(new Set(['The key set could not be fetched (ECONNREFUSED).']))
    await using _issuer = await startIssuer([FIRST], Number(new URL(url).port))
    await until(() => followed.fetches.includes('ok'))
    expect(await followed.keySet.find(es256('first'))).toBeDefined()
  })

  it('stays down for too long loses its keys', async () => {
    await using issuer = await startIssuer([FIRST])
    await using followed = follow(issuer, { keepMs: 200, refreshMs: 20, retryMs: 20 })
    await followed.keySet.find(es256('first'))
    issuer.answer = (_request, response) => void response.destroy()
    const downAt = performance.now()
    await until(() => followed.gone.length === 1)
    expect(performance.now() - downAt).toBeGreaterThan(50)
    await expect(followed.keySet.find(es256('first'))).rejects.toMatchObject({ code: 'SERVICE_UNAVAILABLE' })
  })
})

function byteByByte(_request: unknown, response: ServerResponse): void {
  response.writeHead(200)
  const timer = setInterval(() => response.write(' '), 20)
  void once(response, 'close').then(() => clearInterval(timer))
}
