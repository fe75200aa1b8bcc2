import type { Server } from 'node:http'
import type { Socket } from 'node:net'

// A client that has just connected may send its request meanwhile.
const SILENT_GRACE_MS = 500
// Far above the deadline of any call to the store; below what orchestrators wait before they kill (10 s and more).
const GRACE_MS = 5_000

/**
 * Follows the connections of a server, so that none of them can hold up its end: Node closes by itself only those that have had
 * an answer and ask nothing. `end` gives connections without a request in hand half a second and all others five, and answers how
 * to call that off.
 */
export function followConnections(http: Server): { end: () => () => void } {
  const inHand = new Map<Socket, number>()
  let isEnding = false

  function closeWhere(isDue: (requests: number) => boolean): void {
    for (const [socket, requests] of inHand) if (isDue(requests)) socket.destroy()
  }

  http.on('connection', (socket: Socket) => {
    inHand.set(socket, 0)
    socket.once('close', () => inHand.delete(socket))
  })
  http.on('request', ({ socket }, response) => {
    inHand.set(socket, (inHand.get(socket) ?? 0) + 1)
    response.once('close', () => {
      const requests = inHand.get(socket)
      if (requests === undefined) return
      inHand.set(socket, requests - 1)
      // It came before the end was known, so its answer does not say `connection: close`.
      if (isEnding && requests === 1) socket.destroySoon()
    })
  })
  return {
    end() {
      isEnding = true
      const timers = [
        setTimeout(() => closeWhere(requests => requests === 0), SILENT_GRACE_MS),
        setTimeout(() => closeWhere(() => true), GRACE_MS),
      ]
      return () => timers.forEach(clearTimeout)
    },
  }
}
