import { connect } from 'node:net'
import type { DatabaseHost } from '../../databaseUrl/databaseUrl.js'

const TIMEOUT_MS = 2_000
// SSLRequest of PostgreSQL's protocol: its length and its number.
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])

/** Whether PostgreSQL says that it offers TLS; true where it says nothing. */
export function offersTls({ host, port }: DatabaseHost): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host, port, timeout: TIMEOUT_MS })
    const end = (offers: boolean) => {
      socket.destroy()
      resolve(offers)
    }
    socket.on('connect', () => socket.write(SSL_REQUEST))
    socket.on('data', ([first]) => end(first !== 'N'.charCodeAt(0)))
    socket.on('timeout', () => end(true))
    socket.on('error', () => end(true))
    socket.on('close', () => end(true))
  })
}
