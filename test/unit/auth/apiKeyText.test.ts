import crypto from 'node:crypto'
import { syncBuiltinESMExports } from 'node:module'
import { describe, expect, it, vi } from 'vitest'
import { apiKeyHint, apiKeyIdOf, hasDigest, newApiKeyText } from '../../../src/auth/apiKeyText.js'

const CHARACTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

describe('the text of a key', () => {
  it('has a prefix, its id, 32 random bytes and a checksum, all of characters that an Authorization header takes', () => {
    const { id, text } = newApiKeyText()
    const [, hex, secret] = /^riskgate_([0-9a-f]{32})_([\w-]{43})[0-9a-f]{8}$/.exec(text) ?? []
    expect(hex).toBe(id.replaceAll('-', ''))
    expect(Buffer.from(`${secret}`, 'base64url')).toHaveLength(32)
    expect(apiKeyIdOf(text)).toBe(id)
    expect(text.startsWith(`${apiKeyHint(id)}_`)).toBe(true)
    expect(apiKeyHint(id)).not.toContain(secret)
  })

  it('is different each time', () => {
    const secrets = Array.from({ length: 1_000 }, () => newApiKeyText().text.slice(42, 85))
    expect(new Set(secrets).size).toBe(1_000)
  })

  it('is invalid with one character changed, left out or added, or with two neighbours exchanged', () => {
    const { text } = newApiKeyText()
    for (let i = 0; i < text.length; i++) {
      for (const character of CHARACTERS) {
        if (character === text[i]) continue
        expect(apiKeyIdOf(text.slice(0, i) + character + text.slice(i + 1))).toBeUndefined()
      }
      expect(apiKeyIdOf(text.slice(0, i) + text.slice(i + 1))).toBeUndefined()
      expect(apiKeyIdOf(`${text.slice(0, i)}a${text.slice(i)}`)).toBeUndefined()
      if (text[i] === text[i + 1] || i + 1 === text.length) continue
      expect(apiKeyIdOf(text.slice(0, i) + text[i + 1] + text[i] + text.slice(i + 2))).toBeUndefined()
    }
  })

  it.each(['', 'riskgate_', 'eyJhbGciOiJIUzI1NiJ9.e30.x', `riskgate_${'0'.repeat(84)}`, '\u0000', 'riskgate_\n'])(
    'is never %j',
    text => {
      expect(apiKeyIdOf(text)).toBeUndefined()
    },
  )
})

describe('the digest of a key', () => {
  it('is the SHA-256 of its whole text', () => {
    const [one, other] = [newApiKeyText(), newApiKeyText()]
    expect(one.digest).toBe(crypto.createHash('sha256').update(one.text).digest('hex'))
    expect(hasDigest(one.text, one.digest)).toBe(true)
    expect(hasDigest(other.text, one.digest)).toBe(false)
    expect(hasDigest(one.text, one.digest.slice(2))).toBe(false)
    expect(hasDigest(one.text, '')).toBe(false)
  })

  it('is compared in constant time, which does not reveal where it differs', () => {
    const compare = vi.spyOn(crypto, 'timingSafeEqual')
    syncBuiltinESMExports()
    try {
      const { text, digest } = newApiKeyText()
      for (const other of [digest, 'f'.repeat(64), digest.slice(0, 62) + (digest.endsWith('00') ? '11' : '00')])
        hasDigest(text, other)
      expect(compare).toHaveBeenCalledTimes(3)
      expect(compare.mock.results.map(({ value }) => value)).toEqual([true, false, false])
    } finally {
      compare.mockRestore()
      syncBuiltinESMExports()
    }
  })
})
