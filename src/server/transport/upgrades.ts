import type { IncomingMessage, Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocketServer } from 'ws'
import { AppError, ERROR_CODES } from '../../errors.js'
import { type ObserveRefusal, requestId } from '../requests.js'
import { handshakeProblem, VERSION_HEADER } from './handshakes.js'
import { asksForWebSocket, serveWithoutUpgrade } from './ignoredUpgrades.js'
import { answerPlainly } from './plainAnswer.js'
import { repeatedHeader } from './repeatedHeader.js'

export interface UpgradeRules {
  /** Whether this request may open a WebSocket at all. */
  readonly mayConnect: (request: IncomingMessage) => boolean
  /** Whether what is written to the socket now would reach the right request (connections.ts). */
  readonly mayAnswer: (socket: Socket) => boolean
  readonly headers: Readonly<Record<string, string>>
  readonly refused: ObserveRefusal
}

/** Why a subscription ends, or is refused, while this server stops. */
export const SERVER_GOES_AWAY = 'The server is going away; connect again and resume.'

const NO_WEB_SOCKET = 'There is no WebSocket at this address. Use /graphql, or server-sent events at /graphql/stream.'

/** Opens WebSockets at one path, and answers every other request for one in our form. Returns a function after which it opens no more. */
export function openWebSockets(http: Server, path: string, sockets: WebSocketServer, rules: UpgradeRules): () => void {
  let isClosed = false
  const isOf = ({ url }: IncomingMessage) => url?.split('?', 1)[0] === path

  function refuse(
    request: IncomingMessage,
    socket: Duplex,
    error: AppError,
    status: number = ERROR_CODES[error.code].status,
  ): void {
    const id = requestId(request)
    const names = { requestId: id, method: request.method ?? 'GET', path: isOf(request) ? path : undefined, traceId: undefined }
    rules.refused({ code: error.code, status, seconds: 0, request: names })
    answerPlainly(socket, status, error, { ...rules.headers, ...VERSION_HEADER, 'x-request-id': id })
  }

  sockets.on('wsClientError', (_error: Error, socket: Duplex, request: IncomingMessage) => {
    const [status, error] = handshakeProblem(request)
    refuse(request, socket, error, status)
  })
  http.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    if (!rules.mayAnswer(socket)) return socket.destroy()
    if (!asksForWebSocket(request)) return serveWithoutUpgrade(http, request, socket, head)
    const error = problemOf(request)
    if (error) return refuse(request, socket, error)
    sockets.handleUpgrade(request, socket, head, webSocket => sockets.emit('connection', webSocket, request))
  })

  function problemOf(request: IncomingMessage): AppError | undefined {
    if (isClosed) return new AppError('SERVICE_UNAVAILABLE', SERVER_GOES_AWAY)
    if (!isOf(request)) return new AppError('NOT_FOUND', NO_WEB_SOCKET)
    const repeated = repeatedHeader(request)
    if (repeated || rules.mayConnect(request)) return repeated
    return new AppError('FORBIDDEN', 'Pages of this origin may not connect. Ask the operator to allow this origin.')
  }

  return () => {
    isClosed = true
  }
}
