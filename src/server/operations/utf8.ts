import { isUtf8 } from 'node:buffer'
import { AppError } from '../../errors.js'

// Bytes that are not UTF-8 are read as U+FFFD. `José` and `Josè`, sent in Latin-1, would be one applicant.
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]*)/i

/**
 * Refuses a body that is not UTF-8, or whose sender says so.
 * @throws AppError BAD_REQUEST
 */
export function requireUtf8(body: Buffer, contentType = ''): void {
  const [, charset = 'utf-8'] = CHARSET.exec(contentType) ?? []
  if (!/^utf-?8$/i.test(charset)) {
    throw new AppError('BAD_REQUEST', 'The Content-Type names a charset other than UTF-8. Send JSON in UTF-8.')
  }
  if (!isUtf8(body)) throw new AppError('BAD_REQUEST', 'The request body is not UTF-8. Send JSON in UTF-8.')
}

/**
 * Refuses an address that is not percent-encoded UTF-8, such as `Mu%F1oz`. Fastify would look for it as it is written, with its percent
 * sign, and Apollo for `Mu` and U+FFFD.
 * @throws AppError BAD_REQUEST
 */
export function requireDecodable(address: string): void {
  try {
    decodeURIComponent(address)
  } catch {
    throw new AppError('BAD_REQUEST', 'The address of the request cannot be decoded. Percent-encode its text in UTF-8.')
  }
}
