import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { CloseCode, type Server } from 'graphql-ws'
import type { RawData, WebSocket } from 'ws'
import type { Principal } from '../auth/principal.js'
import { CLOCK_SKEW_SECONDS } from '../auth/tokens.js'
import type { ErrorCode } from '../errors.js'
import { onExpiry } from './onExpiry.js'

// A client that is gone without a goodbye is noticed within two of these.
const KEEP_ALIVE_MS = 12_000
const TRY_AGAIN_LATER = 1013
const ERROR_CODE_BY_WS_CODE: Readonly<Record<string, ErrorCode>> = { WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'PAYLOAD_TOO_LARGE' }
// graphql-ws throws so for a message that only servers send.
const NOT_FROM_CLIENTS = /^Unexpected message of type /

/** Told once of each connection that is closed for a mistake of its client. */
export type ObserveRefusedConnection = (connection: SocketConnection, code: ErrorCode) => void

/** One WebSocket, from the moment it is open. */
export class SocketConnection {
  readonly id = randomUUID()
  readonly openedAt = performance.now()
  principal: Principal | undefined
  /** What runs on it, by the message that asked for it. */
  readonly streams = new Map<object, AsyncGenerator<unknown, unknown, unknown>>()
  /** Why the gateway closed it. */
  refusedWith: ErrorCode | undefined
  readonly #socket: WebSocket
  readonly #closed: Promise<void>
  readonly #refused: ObserveRefusedConnection
  readonly #headers: IncomingMessage['headers']

  constructor(socket: WebSocket, { headers }: IncomingMessage, refused: ObserveRefusedConnection) {
    this.#socket = socket
    this.#closed = new Promise(resolve => socket.once('close', () => resolve()))
    this.#headers = headers
    this.#refused = refused
  }

  get authorization(): string | undefined {
    return this.#headers.authorization
  }

  /** The client is who it says, until its token expires. */
  admit(principal: Principal): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.principal = principal
    const callOff = onExpiry(principal.expiresAt.getTime() + CLOCK_SKEW_SECONDS * 1_000, () =>
      this.close(CloseCode.Unauthorized, 'The access token has expired; ask for a new one.'),
    )
    this.#socket.once('close', callOff)
  }

  /** Closes with one of the protocol's codes, all of which are for mistakes of the client. */
  close(code: number | undefined, reason?: string): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(code === CloseCode.Unauthorized ? 'UNAUTHENTICATED' : 'BAD_REQUEST')
    this.#socket.close(code, reason)
  }

  /**
   * Speaks the protocol of `server` until the socket is closed. graphql-ws's own adapter prints whatever goes wrong with its stack,
   * and takes a client that has gone for a failure of ours.
   */
  speak(server: Server<SocketConnection>, failed: (error: unknown) => void): void {
    const socket = this.#socket
    const ended = server.opened(
      {
        protocol: socket.protocol,
        send: text => this.#send(text),
        close: (code, reason) => this.close(code, reason),
        onMessage: handle => socket.on('message', message => this.#receive(handle, message, failed)),
      },
      this,
    )
    const stopPinging = keepAlive(socket)
    // ws closes the socket itself, with a code that fits.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code?.startsWith('WS_ERR_')) this.#noteRefusal(ERROR_CODE_BY_WS_CODE[error.code] ?? 'BAD_REQUEST')
    })
    socket.once('close', (code, reason) => {
      stopPinging()
      ended(code, String(reason)).catch(failed)
    })
  }

  /** Resolves when the text has left, so that a slow client slows its own subscriptions only; without that when all is closed. */
  #send(text: string): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return this.#closed
    return new Promise(resolve => {
      this.#socket.send(text, error => {
        if (!error) return resolve()
        // Else the client would miss this message and get the next.
        this.#socket.terminate()
        this.#closed.then(resolve)
      })
    })
  }

  async #receive(handle: (text: string) => Promise<void>, message: RawData, failed: (error: unknown) => void): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    try {
      await handle(String(message))
    } catch (error) {
      if (error instanceof Error && NOT_FROM_CLIENTS.test(error.message)) {
        return this.close(CloseCode.BadRequest, 'Invalid message received')
      }
      failed(error)
      this.#socket.close(TRY_AGAIN_LATER, 'Something went wrong on our side.')
    }
  }

  #noteRefusal(code: ErrorCode): void {
    if (this.refusedWith !== undefined) return
    this.refusedWith = code
    this.#refused(this, code)
  }
}

function keepAlive(socket: WebSocket): () => void {
  let hasAnswered = true
  socket.on('pong', () => {
    hasAnswered = true
  })
  const timer = setInterval(() => {
    if (!hasAnswered) return socket.terminate()
    hasAnswered = false
    socket.ping()
  }, KEEP_ALIVE_MS).unref()
  return () => clearInterval(timer)
}
