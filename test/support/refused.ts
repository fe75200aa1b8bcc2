import { expect } from 'vitest'
import type { RawAnswer } from './httpExchange.js'

/** Part of every value in a bad request; no answer may repeat it. */
export const CANARY = 'canary-7f3a9'

const STACK = /node_modules|\n\s+at |\bat \w+.*:\d+:\d+|\.[jt]s:\d+/

/** Expects a refusal with this status and code that holds no data, no sent value, no stack trace and no suggestion. */
export function expectRefusal({ status, text, headers }: RawAnswer, expected: { status: number; code: string }): void {
  expect(headers.get('content-type')).toMatch(/^application\/json/)
  const { errors, data } = JSON.parse(text) as { errors: { extensions: { code: string } }[]; data?: unknown }
  expect({ status, code: errors[0]?.extensions.code, text }).toEqual({ ...expected, text })
  expect(Object.values(data ?? {}).every(value => value === null)).toBe(true)
  expect(text).not.toContain(CANARY)
  expect(text).not.toMatch(STACK)
  expect(text).not.toContain('Did you mean')
}
