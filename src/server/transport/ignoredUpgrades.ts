import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

const OF_THIS_CONNECTION = ['connection', 'upgrade', 'http2-settings']

export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return (headers.upgrade ?? '').split(',').some(protocol => protocol.trim().toLowerCase() === 'websocket')
}

/**
 * Serves a request as if it asked for no other protocol, which a server may (RFC 9110, section 7.8). The HTTP client of Java asks for
 * HTTP/2 like this in each of its requests. Node takes every such request away from its handler as soon as a server has WebSockets, so
 * it gets the request again without the question.
 */
export function serveWithoutUpgrade(http: Server, request: IncomingMessage, socket: Duplex, head: Buffer): void {
  const { method, url, httpVersion, rawHeaders } = request
  const lines = [`${method} ${url} HTTP/${httpVersion}`]
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] ?? ''
    if (!OF_THIS_CONNECTION.includes(name.toLowerCase())) lines.push(`${name}: ${rawHeaders[i + 1]}`)
  }
  lines.push('', '')
  // Node adds its listeners again, and has left only this one behind.
  socket.removeAllListeners('timeout')
  socket.unshift(Buffer.concat([Buffer.from(lines.join('\r\n'), 'latin1'), head]))
  http.emit(socket instanceof TLSSocket ? 'secureConnection' : 'connection', socket)
}
