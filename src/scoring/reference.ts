import { badInput, inputProblem } from '../errors.js'
import { canonicalText, hasTooManyMarks } from './canonicalText.js'

// Nearly all references are of this form: for them one look is enough.
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/
// Letters with their marks, digits, punctuation, symbols and spaces.
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+$/u
// Two references that differ in such a character look the same: variation selectors, fillers of Hangul, the empty pattern of Braille.
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2800]/u
// What is left of a letter that was read in the wrong code: two people may be one text.
const LOST = '\ufffd'

/** The longest applicant's reference and the longest channel, in characters. */
export const LONGEST = { applicantId: 128, channel: 32 } as const

const TOO_MANY_MARKS = 'must not hold more than 30 marks in a row'

/** The mistake in a text that is to be stored as a reference, in the middle of a sentence; undefined where it may be. */
export function mistakeInReference(text: string, longest: number): string | undefined {
  if (text.length <= longest && PLAIN.test(text)) return undefined
  // First by its length: a body may hold a text of 1 MiB. A character has one or two units.
  const isTooLong = text.length > 2 * longest || [...text].length > longest
  if (isTooLong || !PRINTABLE.test(text)) return `must be 1 to ${longest} printable characters`
  if (hasTooManyMarks(text)) return TOO_MANY_MARKS
  if (isPadded(text)) return 'must not begin or end with a space'
  if (text.includes(LOST)) return 'must not hold U+FFFD, which stands for a letter that was lost'
  return INVISIBLE.test(text) ? 'must not hold characters that cannot be seen' : undefined
}

/**
 * Refuses a reference that can never have been stored. To answer that nothing is stored for it would be taken for an answer about the
 * applicant who is meant.
 * @throws AppError BAD_USER_INPUT
 */
export function requireFindable(text: string, ...path: readonly string[]): void {
  // Nobody is meant by an empty text, or by white space alone.
  const mistake = text.trim() === '' ? undefined : mistakeInAsked(text)
  if (mistake !== undefined) throw badInput(inputProblem(`${path.at(-1)} ${mistake}.`, ...path))
}

function mistakeInAsked(text: string): string | undefined {
  if (!PRINTABLE.test(text)) return 'must be printable characters'
  // Its other spellings would stay.
  if (hasTooManyMarks(text)) return TOO_MANY_MARKS
  return isPadded(text) ? 'must not begin or end with a space' : undefined
}

/** The form of a reference that an older version stored as it came. */
export function storedReference(text: string): string {
  return canonicalText(text).replace(/^ +/, '').trimEnd()
}

function isPadded(text: string): boolean {
  return text.startsWith(' ') || text.endsWith(' ')
}
