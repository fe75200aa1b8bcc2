import type { FormattedExecutionResult, GraphQLError, GraphQLFormattedError } from 'graphql'
import { CloseCode, type Context, makeServer, type Server as Protocol } from 'graphql-ws'
import type { Principal } from '../../auth/principal.js'
import { AppError } from '../../errors.js'
import { publicErrors } from '../formatError.js'
import { responseCode, rootField } from '../operations/responseStatus.js'
import { Delivery } from './delivery.js'
import type { SocketConnection } from './socketConnection.js'
import type { StreamOptions } from './streamOptions.js'
import { failure, type SubscribeRequest } from './subscriptionDocument.js'
import { asGraphQLError, type SubscriptionArgs, Subscriptions } from './subscriptions.js'

// A console has a handful of subscriptions, each with a mailbox of its own.
const MAX_SUBSCRIPTIONS = 32
const TOO_MANY = `A socket carries at most ${MAX_SUBSCRIPTIONS} subscriptions: complete one, or open another socket.`

type SocketContext = Context<Record<string, unknown>, SocketConnection>

interface Running {
  readonly operation: string
  readonly startedAt: number
  /** Whether it was refused before it started. */
  readonly isRefused: boolean
  /** Stops counting it among the streams of its principal. */
  readonly endStream?: (() => void) | undefined
  code?: string
}

type Opened = { readonly endStream: () => void } | { readonly errors: readonly GraphQLError[] }

/** Answers graphql-ws's calls, message by message. */
export class SocketProtocol {
  readonly #options: StreamOptions
  readonly #subscriptions: Subscriptions
  // By the message that asked for it, not by id: several sockets may have the same ids.
  readonly #running = new WeakMap<object, Running>()

  constructor(options: StreamOptions) {
    this.#options = options
    this.#subscriptions = new Subscriptions(options)
  }

  createServer(): Protocol<SocketConnection> {
    return makeServer<Record<string, unknown>, SocketConnection>({
      onConnect: context => this.#signIn(context),
      onSubscribe: ({ extra: connection }: SocketContext, id, payload) => this.#prepare(connection, id, payload),
      subscribe: args => this.#subscriptions.open(args as SubscriptionArgs),
      onOperation({ extra: connection }: SocketContext, _id, payload, _args, result) {
        if (result instanceof Delivery) connection.deliveries.set(payload, result)
      },
      onNext: (_context, _id, payload, _args, result) =>
        result.errors ? ({ ...result, errors: this.#shown(payload, result.errors) } as FormattedExecutionResult) : undefined,
      onError: ({ extra: connection }: SocketContext, _id, payload, errors) => {
        const formatted = this.#shown(payload, errors)
        // graphql-ws calls no other hook at the end of a subscription that never started.
        if (this.#running.get(payload)?.isRefused) this.#ended(connection, payload)
        return formatted
      },
      onComplete: ({ extra: connection }: SocketContext, _id, payload) => this.#ended(connection, payload),
    })
  }

  async #signIn(context: SocketContext): Promise<boolean> {
    const { auth, addresses } = this.#options
    const { connectionParams, extra: connection } = context
    const { authorization, Authorization } = connectionParams ?? {}
    // A client may send up to 64 KiB here, which would be kept as long as its socket.
    Object.assign(context, { connectionParams: undefined })
    const given = authorization ?? Authorization ?? connection.authorization
    try {
      connection.signIn(await auth.authenticate(typeof given === 'string' ? given : undefined), auth)
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      connection.isCounted = true
      const refusal = await addresses.failed(connection.address, error)
      // Clients of graphql-ws do not retry after 4429, nor after the 4401 of a bad credential, which they must not send again.
      if (refusal) connection.close(CloseCode.TooManyInitialisationRequests, refusal.message, refusal.code)
      else connection.refuse(error)
    }
    return true
  }

  async #prepare(connection: SocketConnection, id: string, payload: SubscribeRequest & object) {
    const { principal, receivedCharacters: characters } = connection
    if (!principal)
      return [failure('The connection is not authenticated. Send connection_init with a token first.', 'UNAUTHENTICATED')]
    const startedAt = performance.now()
    const head = `{"id":${JSON.stringify(connection.ids.clientId(id))},"type":"next","payload":`
    const refusal = await refusalOf(() => this.#subscriptions.charge({ principal }))
    if (refusal) {
      this.#running.set(payload, { operation: 'none', startedAt, isRefused: true })
      return [asGraphQLError(refusal)]
    }
    const prepared = this.#subscriptions.prepare(payload, principal, ({ text, code }) => {
      const subscription = this.#running.get(payload)
      if (subscription && code !== 'OK') subscription.code ??= code
      return connection.push(`${head}${text}}`)
    })
    const opened = 'errors' in prepared ? prepared : this.#openStream(connection, principal, characters)
    const endStream = 'endStream' in opened ? opened.endStream : undefined
    const operation = rootField(prepared.operation)
    this.#running.set(payload, { operation, startedAt, isRefused: 'errors' in opened, endStream })
    if ('errors' in opened) return opened.errors
    connection.subscriptions++
    return 'args' in prepared ? prepared.args : undefined
  }

  #openStream(connection: SocketConnection, principal: Principal, characters: number): Opened {
    if (connection.subscriptions >= MAX_SUBSCRIPTIONS) return { errors: [failure(TOO_MANY, 'BAD_REQUEST')] }
    try {
      return { endStream: connection.count(this.#options.streams.open(principal, characters)) }
    } catch (error) {
      return { errors: [asGraphQLError(error)] }
    }
  }

  #shown(payload: object, errors: readonly GraphQLError[]): GraphQLFormattedError[] {
    const formatted = publicErrors(errors, this.#options.report)
    const subscription = this.#running.get(payload)
    if (subscription) subscription.code ??= responseCode(formatted)
    return formatted
  }

  #ended(connection: SocketConnection, payload: object): void {
    const subscription = this.#running.get(payload)
    if (!subscription) return
    this.#running.delete(payload)
    connection.deliveries.delete(payload)
    if (!subscription.isRefused) connection.subscriptions--
    subscription.endStream?.()
    const { operation, startedAt, code = connection.refusedWith ?? 'OK' } = subscription
    this.#options.observe({ ...connection.endOf(startedAt), operation, code })
  }
}

async function refusalOf(enter: () => void | Promise<void>): Promise<unknown> {
  try {
    await enter()
    return undefined
  } catch (error) {
    return error
  }
}
