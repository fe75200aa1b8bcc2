// Texts of plain ASCII without outer spaces, as nearly all are, have no other form.
const PLAIN = /^[!-~](?:[ -~]*[!-~])?$/
// Characters that show nothing and join nothing, such as no-break spaces, direction marks and the byte order mark.
const BLANK = /[\p{White_Space}\p{Bidi_Control}\u180e\u200b\u2060\ufeff]/u
const SPACES = /\p{Zs}/gu
// Normalisation sorts the marks of a letter, in quadratic time: 1 MiB of marks would hold the event loop for minutes. No language
// writes more than 30 (Unicode Standard Annex 15, section 13, "Stream-Safe Text Format").
const TOO_MANY_MARKS = /\p{M}{31}/u
// Two references that differ in such a character look the same. U+2800 is an empty pattern of Braille.
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\u2800]/u
// Letters with their marks, digits, punctuation, symbols and spaces.
const PRINTABLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]+$/u

/**
 * The one form of a text that names something (docs/adr/0023): Unicode's NFC, without white space around it, each space inside as
 * U+0020. Characters that merely look alike stay apart. A text with over 30 marks in a row is left as it is.
 */
export function canonicalText(text: string): string {
  if (PLAIN.test(text) || TOO_MANY_MARKS.test(text)) return text
  return withoutOuterBlanks(text).replace(SPACES, ' ').normalize('NFC')
}

/** A value with every text in it in its canonical form; the value itself where all of them are. */
export function canonicalTexts<T>(value: T): T
export function canonicalTexts(value: unknown): unknown {
  if (typeof value === 'string') return canonicalText(value)
  if (Array.isArray(value)) {
    const items = value.map(item => canonicalTexts<unknown>(item))
    return items.some((item, i) => item !== value[i]) ? items : value
  }
  if (!isPlainObject(value)) return value
  let changed: Record<string, unknown> | undefined
  for (const name in value) {
    const inner = value[name]
    const canonical = canonicalTexts(inner)
    if (canonical === inner) continue
    changed ??= { ...value }
    changed[name] = canonical
  }
  return changed ?? value
}

/** Whether a canonical text of this many characters can be a reference: each of them is seen, and none is taken for another. */
export function isVisible(text: string, longest: number): boolean {
  return PRINTABLE.test(text) && !INVISIBLE.test(text) && !TOO_MANY_MARKS.test(text) && [...text].length <= longest
}

// A loop: an expression that looks for blanks before the end tries each run of blanks inside anew.
function withoutOuterBlanks(text: string): string {
  let [start, end] = [0, text.length]
  while (start < end && BLANK.test(text.charAt(start))) start++
  while (end > start && BLANK.test(text.charAt(end - 1))) end--
  return text.slice(start, end)
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
