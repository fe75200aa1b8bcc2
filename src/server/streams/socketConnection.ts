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
import { SubscriptionIds } from './subscriptionIds.js'
import { textFrames } from './textFrames.js'
import type { WriteRounds } from './writeRounds.js'

// A client that vanishes without closing is noticed within two of these.
const KEEP_ALIVE_MS = 12_000
const TRY_AGAIN_LATER = 1013
// A code of our own, after which clients of graphql-ws connect again.
const TOO_SLOW = 4413
// Time for a client that reads again after all to learn why it is closed.
const STALLED_GRACE_MS = 5_000
const ERROR_CODE_BY_WS_CODE: Readonly<Record<string, ErrorCode>> = { WS_ERR_UNSUPPORTED_MESSAGE_LENGTH: 'PAYLOAD_TOO_LARGE' }
// graphql-ws throws the first for a message that only servers send. JSON.stringify throws the second for a ping whose payload is
// nested too deep to repeat in the pong.
const WRONG_MESSAGE = /^Unexpected message of type |^Maximum call stack size exceeded/
const INVALID_MESSAGE = 'Invalid message received'
const ID_IN_USE = 'A subscription with this id is running: complete it first, or use another id.'

/** Called once for each connection that is closed for a mistake of its client. */
export type ObserveRefusedConnection = (connection: SocketConnection, code: CloseCause) => void

export interface SocketConnectionOptions {
  readonly rounds: WriteRounds
  /** The network address of its client. */
  readonly address: string
  /** Called once its client is authenticated. */
  readonly signedIn: () => void
  readonly refused: ObserveRefusedConnection
  /** Called with unexpected errors. */
  readonly failed: (error: unknown) => void
}

/** One WebSocket, from the moment it is open. */
export class SocketConnection {
  readonly id = randomUUID()
  readonly openedAt = performance.now()
  principal: Principal | undefined
  /** The Authorization header of the upgrade request. */
  readonly authorization: string | undefined
  /** The length of the message that is being handled. */
  receivedCharacters = 0
  /** How many subscriptions it carries, including those that have not started. */
  subscriptions = 0
  /** The running deliveries, by the message that asked for each. */
  readonly deliveries = new Map<object, Delivery>()
  readonly address: string
  /** Whether its client failed to authenticate, and that failure was counted. */
  isCounted = false
  /** Why the gateway closed it. */
  refusedWith: CloseCause | undefined
  /** The ids of its subscriptions: the client's, and those that graphql-ws sees. */
  readonly ids = new SubscriptionIds()
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
      // Not left to the end of each subscription: where that never came, the stream would count against its principal for ever.
      for (const endStream of this.#streams) endStream()
    })
  }

  /** Stores who the client is, and closes the socket when its credential ends. */
  signIn(principal: Principal, auth: Pick<Auth, 'watch'>): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.principal = principal
    this.#signedIn()
    const callOff = auth.watch(principal, why => this.close(CloseCode.Unauthorized, why))
    this.#socket.once('close', callOff)
  }

  /** Closes the socket of a client that could not be authenticated. The client may retry unless its credential was refused. */
  refuse({ code, message }: AppError): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(code)
    // Not `return false`, on which graphql-ws closes with 4403: clients then retry for ever with the same token.
    this.#end(code === 'UNAUTHENTICATED' ? CloseCode.Unauthorized : TRY_AGAIN_LATER, message)
  }

  /** Closes with a code of the protocol; all of its codes are for mistakes of the client. */
  close(code: number | undefined, reason?: string, cause?: CloseCause): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return
    this.#noteRefusal(cause ?? (code === CloseCode.Unauthorized ? 'UNAUTHENTICATED' : 'BAD_REQUEST'))
    this.#end(code, reason)
  }

  /** Closes for a reason that is not the client's mistake. */
  leave(code: number, reason: string): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#end(code, reason)
  }

  /**
   * Takes a subscription that counts against its principal. The count ends when the returned function is called or the socket
   * closes.
   */
  count(endStream: () => void): () => void {
    if (this.#socket.readyState !== this.#socket.OPEN) endStream()
    else this.#streams.add(endStream)
    return () => {
      this.#streams.delete(endStream)
      endStream()
    }
  }

  /** What the reports of this connection and of its subscriptions share. `startedAt` is on the clock of `performance`. */
  endOf(startedAt: number): Pick<StreamReport, 'connectionId' | 'seconds' | 'principal'> {
    return { connectionId: this.id, seconds: (performance.now() - startedAt) / 1_000, principal: this.principal }
  }

  /** Sends an event. Where it returns a promise, that resolves when the next event may come. */
  push(text: string): Promise<void> | undefined {
    return this.#sendQueue.push(text)
  }

  /**
   * Speaks the protocol of `server` until the socket is closed. graphql-ws's own adapter is not used: it prints every error with
   * its stack, and treats a client that disconnects as a failure of ours.
   */
  speak(server: Server<SocketConnection>): void {
    const socket = this.#socket
    const ended = server.opened(
      {
        protocol: socket.protocol,
        send: async text => {
          this.#sendQueue.push(this.ids.outgoing(text))
          await this.#sendQueue.left()
        },
        close: (code, reason) => this.close(code, reason),
        onMessage: handle => socket.on('message', (message, isBinary) => this.#receive(handle, message, isBinary)),
      },
      this,
    )
    const stopPinging = keepAlive(socket)
    // ws itself closes the socket, with a fitting code.
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
    const asked = this.ids.incoming(text)
    if (asked === undefined) return this.close(CloseCode.SubscriberAlreadyExists, ID_IN_USE)
    try {
      await handle(asked)
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

  /** Gives up a client that does not read. Its deliveries end now, not only when the socket is closed at last. */
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
        // Otherwise the client would miss these messages and still get the next ones.
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
