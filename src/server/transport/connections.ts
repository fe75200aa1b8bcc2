import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

// Time for a client that has just connected to send its request.
const SILENT_GRACE_MS = 500
// Far above the deadline of any database call; below the time that orchestrators wait before they kill a process (10 s and more).
const GRACE_MS = 5_000

export interface Connections {
  /** How many are open. */
  readonly open: number
  /**
   * Closes connections without a running request after half a second, and all others after five. Returns a function that calls
   * this off.
   */
  end(): () => void
  /**
   * Whether an answer that is written directly to the socket would reach the right request. That is so for a request that came to
   * no handler, and for one without an answer whose body is still coming. Otherwise a proxy would take it for the answer to
   * another caller's request.
   */
  mayAnswer(socket: Socket): boolean
}

export interface ConnectionLimits {
  readonly answerMs: number
  readonly checkEveryMs: number
}

interface Connection {
  /** Requests without a complete answer. */
  requests: number
  last?: ServerResponse
  /** The last answer, once it is complete but has not left, and when that was first seen. */
  stuck?: { readonly answer: ServerResponse; readonly since: number }
}

/**
 * Follows the connections of a server, so that none of them can hold up its end: Node itself closes only idle connections that
 * have had an answer. Cuts connections whose clients take too long to read an answer: Node notices only clients that read nothing
 * at all.
 */
export function followConnections(http: Server, { answerMs, checkEveryMs }: ConnectionLimits): Connections {
  const connections = new Map<Socket, Connection>()
  /**
   * TCP sockets until their TLS handshake is over. The TLS socket above, which carries the requests, is a connection of its own.
   */
  const handshakes = new Map<string, Socket>()
  let isEnding = false

  function closeWhere(isDue: (connection: Connection) => boolean): void {
    for (const [socket, connection] of connections) if (isDue(connection)) socket.destroy()
  }

  function follow(socket: Socket): void {
    connections.set(socket, { requests: 0 })
    socket.once('close', () => connections.delete(socket))
  }

  http.on('connection', (socket: Socket) => {
    // It comes again if it asked for another protocol (ignoredUpgrades.ts).
    if (connections.has(socket)) return
    follow(socket)
    const peer = peerOf(socket)
    handshakes.set(peer, socket)
    socket.once('close', () => handshakes.get(peer) === socket && handshakes.delete(peer))
  })
  http.on('secureConnection', (socket: Socket) => {
    if (connections.has(socket)) return
    const handshake = handshakes.get(peerOf(socket))
    if (handshake) connections.delete(handshake)
    follow(socket)
  })
  http.on('request', ({ socket }, response) => {
    const connection = connections.get(socket)
    if (!connection) return
    connection.requests++
    connection.last = response
    response.once('close', () => {
      connection.requests--
      // The request came before the end was known, so its answer does not say `connection: close`.
      if (isEnding && connection.requests === 0) socket.destroySoon()
    })
  })
  function cutSlowReaders(): void {
    const now = performance.now()
    for (const [socket, connection] of connections) {
      const { last, stuck } = connection
      // An open event stream has not ended, and watches its client itself.
      if (!last?.writableEnded || socket.writableLength === 0) delete connection.stuck
      else if (stuck?.answer !== last) connection.stuck = { answer: last, since: now }
      else if (now - stuck.since >= answerMs) socket.destroy()
    }
  }
  const timer = setInterval(cutSlowReaders, checkEveryMs).unref()
  http.once('close', () => clearInterval(timer))

  return {
    get open() {
      return connections.size
    },
    end() {
      isEnding = true
      const timers = [
        setTimeout(() => closeWhere(({ requests }) => requests === 0), SILENT_GRACE_MS),
        setTimeout(() => closeWhere(() => true), GRACE_MS),
      ]
      return () => timers.forEach(clearTimeout)
    },
    mayAnswer(socket) {
      const { requests, last } = connections.get(socket) ?? { requests: 0 }
      if (!last || last.req.complete) return requests === 0
      return requests === 1 && !last.headersSent
    },
  }
}

function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`
}
