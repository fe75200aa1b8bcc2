import { InvalidArgumentError } from 'commander'
import { isName, ROLES, type Role } from '../auth/principal.js'

const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/
const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Collects the values of an option that may be given several times. */
export function collectRole(value: string, previous: Role[] = []): Role[] {
  const role = ROLES.find(known => known === value)
  if (!role) throw new InvalidArgumentError(`It must be one of ${ROLES.join(', ')}.`)
  return [...previous, role]
}

/** A tenant that no credential can have would be an empty one, without a word. */
export function parseTenant(value: string): string {
  if (!isName(value)) throw new InvalidArgumentError('It must be 1 to 128 ASCII characters without spaces.')
  return value
}

export function parseInstant(value: string): Date {
  const instant = new Date(value)
  const [day] = value.split('T')
  // Date accepts much more, and turns the 31st of a shorter month into a day of the next one.
  const isValid =
    INSTANT.test(value) && !Number.isNaN(instant.getTime()) && new Date(`${day}`).toISOString().startsWith(`${day}T`)
  if (isValid) return instant
  throw new InvalidArgumentError('It must be a day or an instant with its zone, such as 2026-11-01 or 2026-11-01T08:30:00Z.')
}

export function parseLocale(value: string): string {
  try {
    const [locale] = Intl.NumberFormat.supportedLocalesOf(value)
    if (locale !== undefined) return locale
  } catch {
    // It has not even the form of a tag.
  }
  throw new InvalidArgumentError('It must be a language with its region, such as es-ES, de-DE or en-US.')
}

/** Turns a duration such as 30m into seconds. */
export function parseSeconds(value: string): number {
  const [, amount, unit] = /^([1-9]\d{0,3})([smhd])$/.exec(value) ?? []
  if (amount === undefined) throw new InvalidArgumentError('It must be a number with a unit, such as 30m, 12h or 7d.')
  return Number(amount) * SECONDS[unit as keyof typeof SECONDS]
}

export function parseHash(value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError('It must be 64 hexadecimal digits, as a log line shows them.')
  return value
}

/** A version with its share of the applicants, such as 3=0.1. */
export function parseShare(value: string): { version: string; share: number } {
  const [, version, share] = /^([^=]+)=(0?\.\d{1,6}|1(?:\.0+)?)$/.exec(value) ?? []
  if (version === undefined) throw new InvalidArgumentError('It must be a version with a share up to 1, such as 3=0.1.')
  return { version, share: Number(share) }
}
