import type { IncomingMessage } from 'node:http'
import { AppError } from '../../errors.js'

// Node keeps the first line of each. A proxy before us may have checked the last.
const SINGLE_HEADERS = ['host', 'authorization', 'content-type', 'origin', 'idempotency-key']

/** The refusal of a request that has two lines of a header which may have one; undefined for any other request. */
export function repeatedHeader({ headers, rawHeaders }: Pick<IncomingMessage, 'headers' | 'rawHeaders'>): AppError | undefined {
  // Names and values. Mostly each name comes once, which the number of joined headers shows in a tenth of the time.
  if (Object.keys(headers).length === rawHeaders.length / 2) return undefined
  const seen = new Set<string>()
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]?.toLowerCase() ?? ''
    if (!SINGLE_HEADERS.includes(name)) continue
    if (seen.has(name)) return new AppError('BAD_REQUEST', `The request has several lines of the header ${name}. Send one.`)
    seen.add(name)
  }
  return undefined
}
