import { once } from 'node:events'
import { connect } from 'node:net'

const END_OF_HEAD = '\r\n\r\n'

/** The bytes of one POST. */
export function postRequest({ path, headers, body }) {
  const lines = Object.entries({
    host: '127.0.0.1',
    'content-type': 'application/json',
    ...headers,
    'content-length': Buffer.byteLength(body),
  })
  return Buffer.from(`POST ${path} HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`)
}

/**
 * One connection that sends one request after another. It does not use node:http, whose client costs as much CPU as a server, on
 * the same cores. It understands only answers with a Content-Length, which the measured servers send.
 */
export class KeepAliveConnection {
  #socket
  #received = Buffer.alloc(0)
  #waiting

  static async open(port) {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new KeepAliveConnection(socket)
  }

  constructor(socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#take()
    })
    socket.on('error', error => this.#waiting?.reject(error))
    socket.on('close', () => this.#waiting?.reject(new Error('the server closed the connection')))
  }

  /** @returns {Promise<{ status: number, body: string }>} */
  send(request) {
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close() {
    this.#waiting = undefined
    this.#socket.destroy()
  }

  #take() {
    const endOfHead = this.#received.indexOf(END_OF_HEAD)
    if (endOfHead === -1) return
    const head = this.#received.latin1Slice(0, endOfHead)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (length === undefined) {
      this.#waiting?.reject(new Error('an answer without Content-Length'))
      return
    }
    const end = endOfHead + END_OF_HEAD.length + Number(length)
    if (this.#received.length < end) return
    const body = this.#received.utf8Slice(endOfHead + END_OF_HEAD.length, end)
    this.#received = this.#received.subarray(end)
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve({ status: Number(head.slice(9, 12)), body })
  }
}
