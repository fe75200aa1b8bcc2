import type { Server } from 'node:http'
import {
  type FormattedExecutionResult,
  GraphQLError,
  type GraphQLFormattedError,
  type GraphQLSchema,
  getOperationAST,
  getVariableValues,
  parse,
  validate,
} from 'graphql'
import { CloseCode, type Context } from 'graphql-ws'
import { type Extra, useServer } from 'graphql-ws/use/ws'
import { WebSocketServer } from 'ws'
import type { Principal } from '../auth/principal.js'
import { AppError } from '../errors.js'
import type { AlertContext } from '../resolvers/alertResolver.js'
import { MAX_TOKENS } from './apollo.js'
import { publicError, type ReportUnexpected } from './formatError.js'

const PROTOCOL = 'graphql-transport-ws'
// A subscription's text and variables; far below what a hostile frame would need.
const MAX_FRAME_BYTES = 64 * 1024
const GOING_AWAY = 1001
const CLOSE_GRACE_MS = 500

export interface WebSocketOptions {
  readonly http: Server
  readonly path: string
  readonly schema: GraphQLSchema
  readonly authenticate: (authorization: string | undefined) => Promise<Principal>
  readonly contextOf: (principal: Principal) => AlertContext
  readonly report: ReportUnexpected
}

type SocketContext = Context<Record<string, unknown>, Extra & { principal?: Principal }>

/** Subscriptions over WebSocket. Queries and mutations go over HTTP, where their limits are. */
export function serveSubscriptions({
  http,
  path,
  schema,
  authenticate,
  contextOf,
  report,
}: WebSocketOptions): () => Promise<void> {
  const sockets = new WebSocketServer({
    server: http,
    path,
    maxPayload: MAX_FRAME_BYTES,
    handleProtocols: protocols => protocols.has(PROTOCOL) && PROTOCOL,
  })
  const formatted = (errors: readonly GraphQLError[]): GraphQLFormattedError[] =>
    errors.map(error => publicError(error.toJSON(), error, report))

  useServer<Record<string, unknown>, { principal?: Principal }>(
    {
      // Else the message of an unexpected error becomes the reason of the close.
      isProd: true,
      async onConnect(context: SocketContext) {
        const { authorization, Authorization } = context.connectionParams ?? {}
        const given = authorization ?? Authorization ?? context.extra.request.headers.authorization
        try {
          context.extra.principal = await authenticate(typeof given === 'string' ? given : undefined)
        } catch (error) {
          if (!(error instanceof AppError)) throw error
          // Not `return false`, which closes with 4403: clients retry on that for ever, with the same token.
          context.extra.socket.close(CloseCode.Unauthorized, error.message)
        }
        return true
      },
      onSubscribe(context: SocketContext, _id, { query, operationName, variables }) {
        const { principal } = context.extra
        if (!principal) return [badRequest('The connection is not authenticated.', 'UNAUTHENTICATED')]
        const prepared = prepare(schema, query, operationName, variables)
        if ('errors' in prepared) return prepared.errors
        return { schema, ...prepared, operationName, variableValues: variables, contextValue: contextOf(principal) }
      },
      onNext: (_context, _id, _payload, _args, result) =>
        result.errors ? ({ ...result, errors: formatted(result.errors) } as FormattedExecutionResult) : undefined,
      onError: (_context, _id, _payload, errors) => formatted(errors),
    },
    sockets,
  )
  // graphql-ws would print the error and its stack. It is the client's (such as a frame too large), and ws has closed the socket.
  sockets.on('connection', socket => socket.removeAllListeners('error').on('error', () => {}))

  return async () => {
    for (const socket of sockets.clients) socket.close(GOING_AWAY, 'The server is going away; connect again and resume.')
    const terminate = setTimeout(() => {
      for (const socket of sockets.clients) socket.terminate()
    }, CLOSE_GRACE_MS)
    await new Promise<void>(resolve => sockets.close(() => resolve()))
    clearTimeout(terminate)
  }
}

function prepare(
  schema: GraphQLSchema,
  query: string,
  operationName?: string | null,
  variables?: Record<string, unknown> | null,
) {
  try {
    const document = parse(query, { maxTokens: MAX_TOKENS })
    const invalid = validate(schema, document)
    if (invalid.length > 0) return { errors: invalid.map(error => coded(error, 'GRAPHQL_VALIDATION_FAILED')) }
    const operation = getOperationAST(document, operationName)
    if (operation?.operation !== 'subscription') {
      return {
        errors: [badRequest('Only subscriptions go over WebSocket: send queries and mutations by HTTP POST.', 'BAD_REQUEST')],
      }
    }
    const { errors } = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {})
    return errors ? { errors: errors.map(error => coded(error, 'BAD_USER_INPUT')) } : { document }
  } catch (error) {
    if (error instanceof GraphQLError) return { errors: [coded(error, 'GRAPHQL_PARSE_FAILED')] }
    throw error
  }
}

function coded(error: GraphQLError, code: string): GraphQLError {
  Object.assign(error.extensions, { code })
  return error
}

function badRequest(message: string, code: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code } })
}
