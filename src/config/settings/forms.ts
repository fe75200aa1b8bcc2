import { isIP } from 'node:net'
import { z } from 'zod'
import { readDatabaseUrl } from '../../databaseUrl/databaseUrl.js'

// The forms that settings take. docs/operations/settings.md shows the range or the choices of a form, and otherwise its `form`.

const MIN_SECRET_BYTES = 32

export const text = z.string()

export const flag = z.stringbool({ truthy: ['true'], falsy: ['false'], case: 'sensitive', error: 'must be true or false' })

export const wholeNumber = (minimum: number, maximum: number) => {
  const range = `must be between ${minimum} and ${maximum}`
  const number = z.int().min(minimum, range).max(maximum, range)
  return text
    .regex(/^\d{1,9}$/, 'must be a whole number')
    .transform(Number)
    .pipe(number)
}

export const share = text
  .regex(/^(0|1|0\.\d{1,6})$/, 'must be a number from 0 to 1, such as 0.05')
  .transform(Number)
  .pipe(z.number().min(0).max(1))

const url = (...protocols: string[]) => {
  const form = `a URL that begins with ${protocols.map(protocol => `${protocol}//`).join(' or ')}`
  return text
    .refine(value => URL.canParse(value) && protocols.includes(new URL(value).protocol), `must be ${form}`)
    .meta({ form })
}

/** A connection string of PostgreSQL. Each of its problems is told by itself. */
export const databaseUrl = text
  .superRefine((value, context) => {
    const read = readDatabaseUrl(value)
    if ('problems' in read) for (const message of read.problems) context.addIssue({ code: 'custom', message })
  })
  .meta({ form: 'a URL that begins with postgres:// or postgresql://' })

/** An address that is called as it stands. */
export const endpoint = (...protocols: string[]) =>
  url(...protocols).refine(hasNoUser, 'must not contain a user name or password')

export const list = <Entry extends string>(isEntry: (entry: string) => entry is Entry, entries: string) => {
  const form = `${entries}, with commas between them`
  return text
    .transform(value => value.split(',').map(entry => entry.trim()))
    .refine(values => values.every(isEntry), `must be ${form}`)
    .transform(values => values as Entry[])
    .meta({ form })
}

/** `name=value,name=value` as a map. */
export const mapping = <Value extends string>(isValue: (value: string) => value is Value, values: string) => {
  const form = `pairs of a claim's value and ${values}, such as a=b,c=d`
  return text
    .transform(value => value.split(',').map(entry => entry.split('=').map(side => side.trim())))
    .refine(
      pairs => pairs.every(([name, value, ...rest]) => name && isValue(value ?? '') && rest.length === 0),
      `must be ${form}`,
    )
    .refine(pairs => new Set(pairs.map(([name]) => name)).size === pairs.length, "must name each of a claim's values only once")
    .transform((pairs): ReadonlyMap<string, Value> => new Map(pairs as [string, Value][]))
    .meta({ form })
}

export const secret = text
  .refine(value => Buffer.byteLength(value) >= MIN_SECRET_BYTES, `must be at least ${MIN_SECRET_BYTES} bytes long`)
  .meta({ form: `at least ${MIN_SECRET_BYTES} bytes` })

// A header with another character is refused with a message that repeats it.
export const headerText = text
  .regex(/^[\x21-\x7e]{1,4096}$/, 'must be ASCII characters without spaces')
  .meta({ form: 'ASCII characters without spaces' })

export const isOneOf =
  <Value extends string>(values: readonly Value[]) =>
  (value: string): value is Value =>
    (values as readonly string[]).includes(value)

export function isAddressRange(value: string): value is string {
  const [address = '', bits, ...rest] = value.split('/')
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

export function isOrigin(value: string): value is string {
  return URL.canParse(value) && new URL(value).origin === value
}

/** No request can be made to a URL with a user name or password. */
function hasNoUser(value: string): boolean {
  return !URL.canParse(value) || (new URL(value).username === '' && new URL(value).password === '')
}
