import { describe, expect, it } from 'vitest'
import { strictJson } from '../../../../src/server/rest/strictJson.js'
import { randomFrom } from '../../../support/random.js'

const read = (text: string) => strictJson(Buffer.from(text))

describe('strict JSON', () => {
  it.each([
    '{"a":1,"a":1}',
    '{"a":{"b":1,"b":2}}',
    '[{"a":[{"x":1,"x":1}]}]',
    '{"a":1,"\\u0061":2}',
    '{"":1,"":2}',
    '{"__proto__":1,"__proto__":2}',
  ])('refuses a key twice: %s', text => {
    expect(() => read(text)).toThrow('same key twice')
  })

  it.each([
    '{"a":":","b":"\\":\\\\"}',
    '{"a:":{"a:":[":"]}}',
    '[]',
    '"x:y"',
    '1',
    '{"__proto__":{"a":1}}',
    ' { "a" : 1 , "b" : [ { "a" : 2 } ] } ',
  ])('reads what JSON.parse reads: %s', text => {
    expect(read(text)).toEqual(JSON.parse(text))
  })

  it.each(['{', '', 'NaN', '{"a":NaN}', "{'a':1}", '{"a":1,}', '\ufeff{}'])('refuses what is no JSON: %j', text => {
    expect(() => read(text)).toThrow('not JSON')
  })

  it.each([
    ['lists within lists', `${'['.repeat(500_000)}${']'.repeat(500_000)}`],
    ['objects within objects', `${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`],
    ['an object of very many keys', JSON.stringify(Object.fromEntries(Array.from({ length: 30_001 }, (_, i) => [`k${i}`, i])))],
    ['a list of very many rows', JSON.stringify(Array.from({ length: 1_000 }, () => ({})))],
  ])('refuses %s before it reads them', (_what, text) => {
    expect(() => read(text)).toThrow('too many values')
  })

  it('refuses a string without an end in time that grows with its length only', () => {
    const unended = (quotes: number) => `"${'\\"'.repeat(quotes)}`
    const cpuMs = (text: string) => {
      const before = process.cpuUsage()
      expect(() => read(text)).toThrow('not JSON')
      return process.cpuUsage(before).user / 1_000
    }
    // Eight times the length took 64 times as long. The millisecond is for what the clock of the CPU cannot see.
    expect(cpuMs(unended(32_000))).toBeLessThan(20 * (cpuMs(unended(4_000)) + 1))
  })

  it('reads 100 rows of 290 features', () => {
    const row = Object.fromEntries(Array.from({ length: 290 }, (_, i) => [`feature${i}`, i]))
    const text = JSON.stringify({ items: Array.from({ length: 100 }, () => ({ features: row, applicantId: 'a:b' })) })
    expect(read(text)).toEqual(JSON.parse(text))
  })

  it('agrees with a slow reader about random documents with and without repeated keys', () => {
    const random = randomFrom(7)
    const pick = (n: number) => Math.floor(random() * n)
    const texts = ['"a"', '"b:"', '"\\"c"', '"\\\\"', '"\\u0061"', '""']
    let repeats = 0
    const write = (depth: number): { text: string; repeats: boolean } => {
      if (depth === 0 || pick(3) === 0)
        return { text: [texts[pick(texts.length)], '1', 'null', '[]', '{}'][pick(5)] as string, repeats: false }
      const parts = Array.from({ length: pick(4) }, () => ({ key: texts[pick(texts.length)] as string, ...write(depth - 1) }))
      const isRepeated = parts.some(part => part.repeats)
      if (pick(2) === 0) return { text: `[${parts.map(({ text }) => text).join(',')}]`, repeats: isRepeated }
      const keys = parts.map(({ key }) => JSON.parse(key) as string)
      return {
        text: `{${parts.map(({ key, text }) => `${key}:${text}`).join(' , ')}}`,
        repeats: isRepeated || new Set(keys).size < keys.length,
      }
    }
    for (let i = 0; i < 2_000; i++) {
      const { text, repeats: isRepeated } = write(4)
      if (isRepeated) {
        repeats++
        expect(() => read(text)).toThrow('same key twice')
      } else expect(read(text)).toEqual(JSON.parse(text))
    }
    expect(repeats).toBeGreaterThan(100)
  })
})
