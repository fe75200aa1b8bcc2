import { z } from 'zod'
import { DateTime } from '../../schema/scalars.js'
import { isStorable } from '../operations/storableTexts.js'

// The schema of a parameter checks its text first, and then the value that OpenAPI shows.

/** A text that can be stored, and so be found. */
export const storable = z
  .string()
  .refine(isStorable, 'must not hold U+0000 or half of a surrogate pair')
  .meta({ pattern: '^[^\\u0000]*$' })

export function integerParameter(minimum: number, maximum: number) {
  return z
    .string()
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(minimum).max(maximum))
}

export function numberParameter() {
  return z
    .string()
    .regex(/^-?\d{1,15}(\.\d{1,20})?(e-?\d{1,3})?$/i, 'must be a number')
    .transform(Number)
    .pipe(z.number())
}

export function booleanParameter() {
  return z
    .enum(['true', 'false'])
    .transform(text => text === 'true')
    .pipe(z.boolean())
}

/** May be repeated: `band=T7&band=T8`. */
export function repeatedParameter<T extends z.ZodType>(item: T) {
  return z.preprocess(value => (value === undefined ? value : [value].flat()), z.array(item).min(1).max(100).optional())
}

/** A date and time as the API takes it everywhere. */
export const instant = z
  .string()
  .refine(isInstant, 'must be a date and time with its zone, such as 2026-11-30T12:00:00Z')
  .meta({ format: 'date-time' })

function isInstant(text: string): boolean {
  try {
    DateTime.parseValue(text)
    return true
  } catch {
    return false
  }
}
