import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { AppError } from '../../errors.js'
import { errorBody, JSON_TYPE } from '../formatError.js'
import { NOT_UNDERSTOOD } from '../requests.js'
import type { Connections } from './connections.js'
import { isDroppedHandshake, UPGRADE_HEADERS, UPGRADE_REQUIRED, upgradeDropped } from './handshakes.js'
import { answerPlainly } from './plainAnswer.js'

/** Why a connection was given up before it had a request: a short closed list. */
export const MALFORMED = ['malformed', 'headers too large', 'too slow', 'silent', 'no TLS'] as const
export type Malformed = (typeof MALFORMED)[number]

/** Called for each such connection; there may be thousands in a second. */
export type ObserveMalformed = (why: Malformed) => void

export interface MalformedOptions {
  readonly connections: Connections
  readonly headers: Readonly<Record<string, string>>
  readonly observe: ObserveMalformed
}

type ClientError = Error & { readonly code?: string }

/** Answers in our form what Node's parser refuses or gives up, where an answer is possible. */
export function answerMalformed({
  connections,
  headers,
  observe,
}: MalformedOptions): (error: ClientError, socket: Socket) => void {
  const seen = new WeakSet<Socket>()
  return (error, socket) => {
    // The parser fails again on everything that follows.
    if (seen.has(socket)) return
    seen.add(socket)
    const why = causeOf(error, socket)
    if (why) observe(why)
    if (!why || why === 'silent' || why === 'no TLS' || !socket.writable || !connections.mayAnswer(socket)) {
      socket.destroy()
      return
    }
    const [status, answer] = ANSWERS[why]()
    answerPlainly(socket, status, answer, headers)
  }
}

/**
 * Answers CONNECT and Expect in our form. Node would close at a CONNECT without an answer, and refuse an Expect header without a
 * body.
 */
export function answerUnusual(http: Server, { connections, headers, observe }: MalformedOptions): void {
  http.on('connect', (request: IncomingMessage, socket: Socket) => {
    observe('malformed')
    if (!connections.mayAnswer(socket)) return socket.destroy()
    // From a proxy that hands on a WebSocket over HTTP/2 as it came (RFC 8441).
    if (isDroppedHandshake(request))
      return answerPlainly(socket, UPGRADE_REQUIRED, upgradeDropped(), { ...headers, ...UPGRADE_HEADERS })
    answerPlainly(socket, 400, new AppError('BAD_REQUEST', 'This server is no proxy.'), headers)
  })
  http.on('checkExpectation', (request: IncomingMessage, response: ServerResponse) => {
    observe('malformed')
    const body = JSON.stringify(errorBody(new AppError('BAD_REQUEST', 'Send the request without an Expect header.')))
    response.shouldKeepAlive = false
    response.writeHead(417, { ...headers, 'content-type': JSON_TYPE, 'content-length': Buffer.byteLength(body) }).end(body)
    request.resume()
  })
}

const ANSWERS: Readonly<Record<'malformed' | 'headers too large' | 'too slow', () => [number, AppError]>> = {
  malformed: () => [400, new AppError('BAD_REQUEST', NOT_UNDERSTOOD)],
  'headers too large': () => [
    431,
    new AppError('PAYLOAD_TOO_LARGE', 'The address and headers are too large: send fewer or shorter ones.'),
  ],
  'too slow': () => [408, new AppError('BAD_REQUEST', 'The request did not arrive in time: send it again.')],
}

/** Undefined for a connection that its client gave up. */
function causeOf({ code = '' }: ClientError, socket: Socket): Malformed | undefined {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers too large'
  // Load balancers and browsers open connections in advance, and would take an answer for that of their next request.
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return socket.bytesRead === 0 ? 'silent' : 'too slow'
  if (code.startsWith('HPE_')) return 'malformed'
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return 'no TLS'
  return undefined
}
