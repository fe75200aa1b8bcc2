// Plain ASCII, as nearly all texts are, has no other form.
const PLAIN = /^[ -~]*$/
const SPACES = /\p{Zs}/gu
// Two or more: single ones, as in most decomposed texts, would give a match for each letter. The letter may hold some itself.
const MARKS = /.?\p{M}{2,}/gsu
const LETTER = /^\P{M}+/u
// Normalisation sorts the marks of a letter, in quadratic time: 1 MiB of marks would hold the event loop for minutes. No language
// writes more than 30 (Unicode Standard Annex 15, section 13, "Stream-Safe Text Format").
const MOST_MARKS = 30

/**
 * The one form of a text (docs/adr/0023): Unicode's NFC, with each space as U+0020. Characters that merely look alike stay apart.
 * A text with over 30 marks in a row is left as it is.
 */
export function canonicalText(text: string): string {
  if (PLAIN.test(text) || hasTooManyMarks(text)) return text
  return text.replace(SPACES, ' ').normalize('NFC')
}

/** Whether more marks follow each other than any language writes, counted as JavaScript counts characters, in the decomposed form. */
export function hasTooManyMarks(text: string): boolean {
  // An expression that asks for 31 of them would count those of a run again from each of its marks.
  for (const [marks] of text.matchAll(MARKS)) if (marks.length > MOST_MARKS + 2 || isOverMost(marks)) return true
  return false
}

/** Counts in one form: `\u00e9` with 30 marks and `e` with 31 are the same text, and one of them alone would be a reference. */
function isOverMost(marks: string): boolean {
  return marks.normalize('NFD').replace(LETTER, '').length > MOST_MARKS
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

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
