import { STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import type { AppError } from '../../errors.js'
import { errorBody, JSON_TYPE } from '../formatError.js'

// Time for a client that is still sending: an immediate close would reset the connection and lose the answer.
const LINGER_MS = 500

/** Writes an answer directly to the socket, where Node has no response to write to, and closes. */
export function answerPlainly(socket: Duplex, status: number, error: AppError, headers: Readonly<Record<string, string>>): void {
  const body = JSON.stringify(errorBody(error))
  const all = {
    ...headers,
    'content-type': JSON_TYPE,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`)
  // The client may be gone by now.
  socket.on('error', () => {})
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'))
  const timer = setTimeout(() => socket.destroy(), LINGER_MS).unref()
  socket.once('close', () => clearTimeout(timer))
}
