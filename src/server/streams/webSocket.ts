import { randomUUID } from 'node:crypto'
import type { IncomingMessage, Server } from 'node:http'
import { WebSocketServer } from 'ws'
import { unauthenticated } from '../../auth/unauthenticated.js'
import { networkOf } from '../limits/clientAddress.js'
import { PendingSockets } from '../limits/pendingSockets.js'
import { openWebSockets, SERVER_GOES_AWAY, type UpgradeRules } from '../transport/upgrades.js'
import { type ObserveRefusedConnection, SocketConnection } from './socketConnection.js'
import { SocketProtocol } from './socketProtocol.js'
import type { OpenStreams, StreamOptions } from './streamOptions.js'
import { WriteRounds } from './writeRounds.js'

const PROTOCOL = 'graphql-transport-ws'
// Enough for the text and variables of a subscription; a harmful frame would have to be far larger.
const MAX_FRAME_BYTES = 64 * 1024
const GOING_AWAY = 1001
const CLOSE_GRACE_MS = 500

export interface WebSocketOptions extends StreamOptions {
  readonly http: Server
  readonly path: string
  readonly upgrades: UpgradeRules
  readonly addressOf: (request: IncomingMessage) => string
}

/**
 * Serves subscriptions over WebSocket. Queries and mutations go over HTTP, where their limits are.
 */
export function serveSubscriptions(options: WebSocketOptions): OpenStreams {
  const { http, path, addresses, addressOf, report, observe } = options
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_FRAME_BYTES,
    // Frames are written without ws (textFrames.ts), and only ws could write compressed ones.
    perMessageDeflate: false,
    // One message in each turn of the event loop: megabytes of small messages at once blocked everybody for seconds.
    allowSynchronousEvents: false,
    handleProtocols: protocols => protocols.has(PROTOCOL) && PROTOCOL,
  })
  const protocol = new SocketProtocol(options).createServer()
  const rounds = new WriteRounds()
  const connections = new Set<SocketConnection>()
  const pending = new PendingSockets()
  const failed = (error: unknown) => report(randomUUID(), error)
  const refused: ObserveRefusedConnection = (connection, code) => observe({ ...connection.endOf(connection.openedAt), code })
  sockets.on('error', failed)
  const refuseUpgrades = openWebSockets(http, path, sockets, options.upgrades)
  sockets.on('connection', (socket, request) => {
    const address = addressOf(request)
    const noLongerPending = pending.add(networkOf(address), () => socket.terminate())
    const connection = new SocketConnection(socket, request, { rounds, address, signedIn: noLongerPending, refused, failed })
    connections.add(connection)
    socket.once('close', () => {
      connections.delete(connection)
      noLongerPending()
      if (!connection.principal && !connection.isCounted)
        void addresses.failed(address, unauthenticated('The client closed its socket without signing in.'))
    })
    connection.speak(protocol)
  })

  async function close(): Promise<void> {
    refuseUpgrades()
    for (const connection of connections) connection.leave(GOING_AWAY, SERVER_GOES_AWAY)
    const terminate = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate()
    }, CLOSE_GRACE_MS)
    await new Promise<void>(resolve => sockets.close(() => resolve()))
    clearTimeout(terminate)
  }

  return {
    get open() {
      return connections.size
    },
    close,
  }
}
