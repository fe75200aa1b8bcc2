import { describe, expect, it } from 'vitest'
import { canonicalText, canonicalTexts } from '../../../src/scoring/canonicalText.js'
import { mistakeInReference, requireFindable, storedReference } from '../../../src/scoring/reference.js'
import { DIFFERENT, REFUSED, REFUSED_ANEW, SAME } from '../../support/names.js'

/** As a text shows itself: with each character by its number. */
const shown = (text: string) => [...text].map(character => (character.codePointAt(0) as number).toString(16)).join(' ')

describe('the canonical form', () => {
  it.each(SAME.map(pair => [...pair, pair.map(shown).join(' = ')] as const))(
    'is one for both spellings: %s, %s (%s)',
    (one, other) => {
      expect(one).not.toBe(other)
      expect(shown(canonicalText(other))).toBe(shown(canonicalText(one)))
      expect(canonicalText(canonicalText(other))).toBe(canonicalText(other))
    },
  )

  it.each(DIFFERENT)('keeps apart what merely looks alike: %s, %s', (one, other) => {
    expect(canonicalText(one)).not.toBe(canonicalText(other))
  })

  it('leaves a text with more marks than any language writes as it is, in little time', () => {
    const marks = `a${'\u0301\u0316'.repeat(200_000)}`
    const most = `b${'\u0301'.repeat(15)}${'\u0316'.repeat(15)}`.repeat(17_000)
    const before = process.cpuUsage()
    for (let i = 0; i < 5; i++) {
      expect(canonicalText(marks) === marks).toBe(true)
      expect(canonicalText(most).startsWith('b\u0316')).toBe(true)
      expect(mistakeInReference(most, 128)).toBeDefined()
    }
    // Measured: 0.4 s. By an expression that counts 31 marks: 2 s.
    expect(process.cpuUsage(before).user).toBeLessThan(1_000_000)
  })

  it('changes texts at any depth, and nothing else', () => {
    const at = new Date(0)
    const value = { a: ['e\u0301', 'x', 1, null], b: { c: 'A\u00a01', at, on: true } }
    expect(canonicalTexts(value)).toEqual({ a: ['\u00e9', 'x', 1, null], b: { c: 'A 1', at, on: true } })
    expect(value.a[0]).toBe('e\u0301')
    expect(canonicalTexts(value).b.at).toBe(at)
  })

  it('returns a value that has it already as the same object', () => {
    const value = { a: ['\u00e9', { b: 'x' }], c: Object.assign(Object.create(null) as object, { d: 'y' }) }
    expect(canonicalTexts(value)).toBe(value)
  })
})

describe('a reference', () => {
  const storable = [...SAME.flat(), ...DIFFERENT.flat()].map(canonicalText)

  it('may be each canonical text that can be seen', () => {
    expect(storable.filter(text => mistakeInReference(text, 128))).toEqual([])
  })

  it.each([...REFUSED, ...REFUSED_ANEW].map(text => [shown(text), text]))(
    'is refused with characters that cannot be seen: %s',
    (_shown, text) => {
      expect(mistakeInReference(canonicalText(text), 128)).toBeTypeOf('string')
    },
  )

  it('has at most so many characters, each counted once', () => {
    expect(mistakeInReference('\u{1f3e6}'.repeat(128), 128)).toBeUndefined()
    expect(mistakeInReference('\u{1f3e6}'.repeat(129), 128)).toBe('must be 1 to 128 printable characters')
    expect(mistakeInReference('', 128)).toBe('must be 1 to 128 printable characters')
  })

  it.each([
    ['31 marks', `a${'\u0301'.repeat(31)}`],
    ['30 marks on a letter with one', `\u00e9${'\u0316'.repeat(30)}`],
    ['31 marks, the first of them on an e', `e\u0301${'\u0316'.repeat(30)}`],
    ['15 marks of two on a letter with one', `\u00e9${'\u0344'.repeat(15)}`],
    ['marks of three, of two units each', `a${'\u{16126}'.repeat(6)}`],
  ])('has at most 30 marks in a row, in whatever form they come: %s', (_what, text) => {
    for (const form of [text, text.normalize('NFC'), text.normalize('NFD')]) {
      expect(canonicalText(form)).toBe(form)
      expect(mistakeInReference(form, 128)).toBe('must not hold more than 30 marks in a row')
      expect(() => requireFindable(form, 'applicantId')).toThrow('applicantId must not hold more than 30 marks in a row.')
    }
  })

  it.each([
    `a${'\u0301'.repeat(30)}`,
    `\u00e9${'\u0316'.repeat(29)}`,
    `e\u0301${'\u0316'.repeat(29)}`,
    `\u00e9${'\u0344'.repeat(14)}`,
  ])('may have 30 marks in a row: %s', text => {
    const forms = [text, text.normalize('NFC'), text.normalize('NFD')].map(canonicalText)
    expect(new Set(forms).size).toBe(1)
    for (const form of forms) {
      expect(mistakeInReference(form, 128)).toBeUndefined()
      expect(() => requireFindable(form, 'applicantId')).not.toThrow()
    }
  })

  it.each(REFUSED.map(text => [shown(text), text]))(
    'is not looked for where it can never have been stored: %s',
    (_shown, text) => {
      expect(() => requireFindable(canonicalText(text), 'applicantId')).toThrow(/^applicantId must /)
    },
  )

  it.each([...storable, ...REFUSED_ANEW, '', ' ', '\n\t\u00a0'])('is looked for where it may be stored: %s', text => {
    expect(() => requireFindable(text, 'applicantId')).not.toThrow()
  })

  it.each([' A-1', 'A-1 ', '\u00a0A-1\u3000', 'A-1\u00a0\u00a0'])('of an older version loses the spaces around it: %j', text => {
    expect(storedReference(text)).toBe('A-1')
  })
})
