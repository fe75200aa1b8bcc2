import { InvalidArgumentError } from 'commander'
import { ROLES, type Role } from '../auth/principal.js'

const INSTANT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2}))?$/

export const EXPORT_FORMATS = ['csv', 'ndjson'] as const
export type ExportFormat = (typeof EXPORT_FORMATS)[number]

export const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 }

/** For an option that may be given several times. */
export function collectRole(value: string, previous: Role[] = []): Role[] {
  const role = ROLES.find(known => known === value)
  if (!role) throw new InvalidArgumentError(`It must be one of ${ROLES.join(', ')}.`)
  return [...previous, role]
}

export function parseInstant(value: string): Date {
  const instant = new Date(value)
  const [day] = value.split('T')
  // Date takes much more, and makes the 31st of a shorter month a day of the next one.
  const isOne = INSTANT.test(value) && !Number.isNaN(instant.getTime()) && new Date(`${day}`).toISOString().startsWith(`${day}T`)
  if (isOne) return instant
  throw new InvalidArgumentError('It must be a day or an instant with its zone, such as 2026-11-01 or 2026-11-01T08:30:00Z.')
}

/** Seconds of a time such as 30m. */
export function parseSeconds(value: string): number {
  const [, amount, unit] = /^([1-9]\d{0,3})([smhd])$/.exec(value) ?? []
  if (amount === undefined) throw new InvalidArgumentError('It must be a number with a unit, such as 30m, 12h or 7d.')
  return Number(amount) * SECONDS[unit as keyof typeof SECONDS]
}

export function parseHash(value: string): string {
  if (!/^[0-9a-f]{64}$/.test(value)) throw new InvalidArgumentError('It must be 64 hexadecimal digits, as a log line has them.')
  return value
}
