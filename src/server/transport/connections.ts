import type { Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

// A client that has just connected may send its request meanwhile.
const SILENT_GRACE_MS = 500
// Far above the deadline of any call to the store; below what orchestrators wait before they kill (10 s and more).
const GRACE_MS = 5_000

export interface Connections {
  /**
   * Gives connections without a request in hand half a second to go, and all others five; answers how to call that off.
   */
  end(): () => void
  /**
   * Whether what is written past the responses would be taken for the answer of what the socket now sends: of a request that came
   * to no handler, or of one whose body still comes and that has no answer. A proxy would take anything else for the answer of
   * another caller's request.
   */
  mayAnswer(socket: Socket): boolean
}

export interface ConnectionLimits {
  readonly answerMs: number
  readonly checkEveryMs: number
}

interface Connection {
  /** In hand. */
  requests: number
  last?: ServerResponse
  /** The last answer, when it was first seen to be complete and not to have left. */
  stuck?: { readonly answer: ServerResponse; readonly since: number }
}

/**
 * Follows the connections of a server, so that none of them can hold up its end: Node closes by itself only those that have had
 * an answer and ask nothing. Cuts those whose clients take too long to read an answer: Node only knows of who reads nothing at all.
 */
export function followConnections(http: Server, { answerMs, checkEveryMs }: ConnectionLimits): Connections {
  const connections = new Map<Socket, Connection>()
  /** Sockets below TLS until their handshake is over; that above, which has the requests, is a connection of its own. */
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
    follow(socket)
    const peer = peerOf(socket)
    handshakes.set(peer, socket)
    socket.once('close', () => handshakes.get(peer) === socket && handshakes.delete(peer))
  })
  http.on('secureConnection', (socket: Socket) => {
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
      // It came before the end was known, so its answer does not say `connection: close`.
      if (isEnding && connection.requests === 0) socket.destroySoon()
    })
  })
  function cutSlowReaders(): void {
    const now = performance.now()
    for (const [socket, connection] of connections) {
      const { last, stuck } = connection
      // An open stream of events has not ended, and looks after its client itself.
      if (!last?.writableEnded || socket.writableLength === 0) delete connection.stuck
      else if (stuck?.answer !== last) connection.stuck = { answer: last, since: now }
      else if (now - stuck.since >= answerMs) socket.destroy()
    }
  }
  const timer = setInterval(cutSlowReaders, checkEveryMs).unref()
  http.once('close', () => clearInterval(timer))

  return {
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
