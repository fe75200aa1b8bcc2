import type { IncomingMessage } from 'node:http'
import { AppError } from '../../errors.js'
import { asksForWebSocket } from './ignoredUpgrades.js'

// RFC 9110, section 15.5.22: the status of a request that must ask for another protocol first.
export const UPGRADE_REQUIRED = 426

// Version 13 is the only one there ever was (RFC 6455, section 4.4).
export const VERSION_HEADER = { 'sec-websocket-version': '13' } as const
export const UPGRADE_HEADERS = { ...VERSION_HEADER, upgrade: 'websocket', connection: 'upgrade' } as const

const KEY = /^[+/0-9a-z]{22}==$/i

export function upgradeDropped(): AppError {
  return new AppError(
    'BAD_REQUEST',
    'This WebSocket handshake arrived without its headers Upgrade and Connection. Let the proxy in front pass both on over HTTP/1.1, ' +
      'or use server-sent events at /graphql/stream.',
  )
}

/** Whether a request is a WebSocket handshake that no longer asks for an upgrade: a proxy has removed one of the two headers, or both. */
export function isDroppedHandshake(request: IncomingMessage): boolean {
  const { method, headers } = request
  if (method !== 'GET' && method !== 'CONNECT') return false
  return headers['sec-websocket-key'] !== undefined || headers['sec-websocket-version'] !== undefined || asksForWebSocket(request)
}

/** Why a handshake that asks for the upgrade is refused, and with which status. */
export function handshakeProblem({ method, headers }: IncomingMessage): [status: number, error: AppError] {
  const { 'sec-websocket-key': key = '', 'sec-websocket-version': version } = headers
  if (method !== 'GET') return [400, new AppError('BAD_REQUEST', 'Open a WebSocket by a GET request.')]
  if (version !== '13') {
    return [
      UPGRADE_REQUIRED,
      new AppError('BAD_REQUEST', 'Send the header Sec-WebSocket-Version: 13, the only version that is served.'),
    ]
  }
  if (!KEY.test(key)) {
    return [400, new AppError('BAD_REQUEST', 'The handshake has no valid Sec-WebSocket-Key. Let the proxy in front pass it on.')]
  }
  return [400, new AppError('BAD_REQUEST', 'The upgrade must be to WebSocket, version 13.')]
}
