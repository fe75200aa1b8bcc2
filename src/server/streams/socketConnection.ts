import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { CloseCode, type Server } from 'graphql-ws'
import type { RawData, WebSocket } from 'ws'
import type { Principal } from '../../auth/principal.js'
import type { AppError, ErrorCode } from '../../errors.js'
import type { Auth } from '../access.js'
import type { Delivery } from './delivery.js'
import { SendQueue, type Wire } from './sendQueue.js'
import { type CloseCause, SLOW_SUBSCRIBER, type StreamReport } from './streamOptions.js'
import { textFrames } from './textFrames.js'
import type { WriteRounds } from './writeRounds.js'

// A client that is gone without a goodbye is noticed within two of these.
const KEEP_ALIVE_MS = 12_000
const TRY_AGAIN_LATER = 1013
// One of our own, which clients of graphql-ws take for a reason to connect again.
const TOO_SLOW = 4413
// For a client that reads on after all, to learn why it is closed.
const STALLED_GRACE_MS = 5_000
const ERROR_CODE_BY_WS_CODE: Readonly<Record<string, ErrorCode>> = { WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'PAYLOAD_TOO_LARGE' }
// graphql-ws throws so for a message that only servers send; JSON for a ping's payload that nests too deep for the pong to repeat it.
const WRONG_MESSAGE = /^Unexpected message of type |^Maximum call stack size exceeded/
const INVALID_MESSAGE = 'Invalid message received'

/** Told once of each connection that is closed for a mistake of its client. */
export type ObserveRefusedConnection = (connection: SocketConnection, code: CloseCause) => void

export interface SocketConnectionOptions {
  readonly rounds: WriteRounds
  /** Where its client is. */
  readonly address: string
  /** Told once its client has said who it is. */
  readonly signedIn: () => void
  readonly refused: ObserveRefusedConnection
  /** Told of what nobody expected. */
  readonly failed: (error: unknown) => void
}

/** One WebSocket, from the moment it is open. */
export class SocketConnection {
  readonly id = randomUUID()
  readonly openedAt = performance.now()
  principal: Principal | undefined
  /** The Authorization header that it was asked for with. */
  readonly authorization: string | undefined
  /** Of the message in hand. */
  receivedCharacters = 0
  /** How many subscriptions it carries, those included that have not begun. */
  subscriptions = 0
  /** What runs on it, by the message that asked for it. */
  readonly deliveries = new Map<object, Delivery>()
  readonly address: string
  /** Its client has failed to say who it is, and that was counted. */
  isCounted = false
  /** Why the gateway closed it. */
  refusedWith: CloseCause | undefined
  readonly #streams = new Set<() => void>()
  readonly #socket: WebSocket
  readonly #sendQueue: SendQueue
  readonly #signedIn: () => void
  readonly #refused: ObserveRefusedConnection
  readonly #failed: (error: unknown) => void

  constructor(socket: WebSocket, { headers, socket: tcp }: IncomingMessage, options: SocketConnectionOptions) {
    this.#socket = socket
    this.authorization = headers.authorization
    this.address = options.address
    this.#signedIn = options.signedIn
    this.#refused = options.refused
    this.#failed = options.failed
    this.#sendQueue = new SendQueue({ wire: wireOf(socket, tcp), rounds: options.rounds, stalled: () => this.#giveUp() })
    socket.once('close', () => {
      this.#sendQueue.close()
      // Not left to the end of each subscription: one that never came would count against its principal for ever.
      for (const endStream of this.#streams) endStream()
    })
  }

  /** The client is who it says, until its credential ends. */
  signIn(principal: Principal, auth: Pick<Auth, 'watch'>): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.principal = principal
    this.#signedIn()
    const callOff = auth.watch(principal, why => this.close(CloseCode.Unauthorized, why))
    this.#socket.once('close', callOff)
  }

  /** The client is not let in; where nobody could tell who it is, it may try again. */
  refuse({ code, message }: AppError): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(code)
    // Not `return false` of graphql-ws, which closes with 4403: clients retry on that for ever, with the same token.
    this.#end(code === 'UNAUTHENTICATED' ? CloseCode.Unauthorized : TRY_AGAIN_LATER, message)
  }

  /** Closes with one of the protocol's codes, all of which are for mistakes of the client. */
  close(code: number | undefined, reason?: string, cause?: CloseCause): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(cause ?? (code === CloseCode.Unauthorized ? 'UNAUTHENTICATED' : 'BAD_REQUEST'))
    this.#end(code, reason)
  }

  /** Says goodbye for a reason that is not the client's. */
  leave(code: number, reason: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#end(code, reason)
  }

  /** A subscription that counts among those of its principal: until what this answers is called, or the socket is closed. */
  count(endStream: () => void): () => void {
    if (this.#socket.readyState !== this.#socket.OPEN) endStream()
    else this.#streams.add(endStream)
    return () => {
      this.#streams.delete(endStream)
      endStream()
    }
  }

  /** What is reported of it, or of one of its subscriptions, at the end. `startedAt`: on the clock of `performance`. */
  endOf(startedAt: number): Pick<StreamReport, 'connectionId' | 'seconds' | 'principal'> {
    return { connectionId: this.id, seconds: (performance.now() - startedAt) / 1_000, principal: this.principal }
  }

  /** Takes an event on its way. What it answers, where it does, resolves when the next may come. */
  push(text: string): Promise<void> | undefined {
    return this.#sendQueue.push(text)
  }

  /**
   * Speaks the protocol of `server` until the socket is closed. graphql-ws's own adapter prints whatever goes wrong with its stack,
   * and takes a client that has gone for a failure of ours.
   */
  speak(server: Server<SocketConnection>): void {
    const socket = this.#socket
    const ended = server.opened(
      {
        protocol: socket.protocol,
        send: async text => {
          this.#sendQueue.push(text)
          await this.#sendQueue.left()
        },
        close: (code, reason) => this.close(code, reason),
        onMessage: handle => socket.on('message', (message, isBinary) => this.#receive(handle, message, isBinary)),
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
      ended(code, String(reason)).catch(this.#failed)
    })
  }

  async #receive(handle: (text: string) => Promise<void>, message: RawData, isBinary: boolean): Promise<void> {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    if (isBinary) return this.close(CloseCode.BadRequest, INVALID_MESSAGE)
    const text = String(message)
    this.receivedCharacters = text.length
    try {
      await handle(text)
    } catch (error) {
      if (error instanceof Error && WRONG_MESSAGE.test(error.message)) return this.close(CloseCode.BadRequest, INVALID_MESSAGE)
      this.#failed(error)
      this.leave(TRY_AGAIN_LATER, 'Something went wrong on our side.')
    }
  }

  #end(code: number | undefined, reason: string | undefined): void {
    this.#sendQueue.end()
    this.#socket.close(code, reason)
  }

  /** Its client does not read: what it holds is given back now, not when the socket is closed at last. */
  #giveUp(): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(SLOW_SUBSCRIBER)
    for (const delivery of this.deliveries.values()) delivery.return().catch(this.#failed)
    this.#end(TOO_SLOW, 'The alerts were not read fast enough; connect again and resume.')
    const terminate = setTimeout(() => this.#socket.terminate(), STALLED_GRACE_MS).unref()
    this.#socket.once('close', () => clearTimeout(terminate))
  }

  #noteRefusal(code: CloseCause): void {
    if (this.refusedWith !== undefined) return
    this.refusedWith = code
    this.#refused(this, code)
  }
}

function wireOf(socket: WebSocket, tcp: Socket): Wire {
  return {
    write(texts, left) {
      if (socket.readyState !== socket.OPEN) return
      tcp.write(textFrames(texts), error => {
        // Else the client would miss these messages and get the next.
        if (error) socket.terminate()
        else left()
      })
    },
    get isBacklogged() {
      return socket.bufferedAmount > 0
    },
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
