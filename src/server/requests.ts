import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { GraphQLFormattedError } from 'graphql'
import type { Principal } from '../auth/principal.js'
import { AppError, type ErrorCode } from '../errors.js'
import { errorBody, publicError, type ReportUnexpected, retryHeaders, statusOf } from './formatError.js'
import { RateLimitedError, refusalHeaders } from './limits/quota.js'
import { sendProblem } from './problem.js'
import { namesOf, type RequestNames } from './requestNames.js'

/** For a request that is wrong in a way that no other sentence names. */
export const NOT_UNDERSTOOD = 'This server does not understand the request. Check its method, address and headers.'

const REQUEST_ID = /^[\w.-]{1,64}$/

const UNKNOWN_MEDIA = 'FST_ERR_CTP_INVALID_MEDIA_TYPE'
const BODY_TOO_LARGE = 'FST_ERR_CTP_BODY_TOO_LARGE'

const OUR_ERROR_BY_FASTIFY_CODE: Readonly<Record<string, () => AppError>> = {
  [BODY_TOO_LARGE]: () => new AppError('PAYLOAD_TOO_LARGE', 'The request body is too large: send less in one request.'),
  FST_ERR_CTP_INVALID_JSON_BODY: () => new AppError('BAD_REQUEST', 'The request body is not JSON. Send valid JSON.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new AppError('BAD_REQUEST', 'The request body is empty. Send a JSON body.'),
  [UNKNOWN_MEDIA]: () => new AppError('BAD_REQUEST', 'Send the request as Content-Type: application/json, and not compressed.'),
}

/** The request id that a proxy or client sent, if it is in a plain form; else a new one. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

declare module 'fastify' {
  interface FastifyRequest {
    /** On the clock of `performance`. Undefined where Fastify gave up before the first hook. */
    receivedAt: number | undefined
    /** The caller of an operation. Undefined before it is known, and at all other addresses. */
    principal: Principal | undefined
  }
}

/**
 * Called for each request that was answered with an error before it reached GraphQL. `seconds` runs from its headers to that
 * answer.
 */
export type ObserveRefusal = (refusal: {
  readonly code: ErrorCode
  readonly status: number
  readonly seconds: number
  /** Undefined where the caller is unknown. */
  readonly principal?: Principal | undefined
  readonly request: RequestNames
}) => void

/** Answers HTTP requests that fail outside of GraphQL in the same form as GraphQL does. */
export function answerErrors(
  server: FastifyInstance,
  report: ReportUnexpected,
  refused: ObserveRefusal,
  isDraining: () => boolean,
): void {
  server.decorateRequest('receivedAt', undefined)
  server.decorateRequest('principal', undefined)
  server.decorateRequest('traceId', undefined)
  server.addHook('onRequest', (request, _reply, done) => {
    request.receivedAt = performance.now()
    done()
  })
  server.setErrorHandler((error: Error & { code?: string; statusCode?: number }, _request, reply) => {
    // Fastify closes a connection whose body is too large while that still comes: a proxy then takes the gateway for broken, and never
    // reads the answer. Node reads the rest of the body and drops it.
    if (error.code === BODY_TOO_LARGE && !isDraining()) reply.removeHeader('connection')
    const known = error instanceof AppError ? error : OUR_ERROR_BY_FASTIFY_CODE[error.code ?? '']?.()
    if (known) return refuse(reply, known, refused, error.code === UNKNOWN_MEDIA && isRest(reply) ? 415 : undefined)
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return refuse(reply, new AppError('BAD_REQUEST', NOT_UNDERSTOOD), refused)
    }
    observe(reply, 'INTERNAL_SERVER_ERROR', 500, refused)
    return send(reply, 500, publicError({ message: '' }, error, report))
  })
}

/**
 * Answers a request whose address cannot be decoded, or has a part that is too long. Fastify refuses it before any hook, route or error
 * handler, and by itself would repeat the address.
 */
export function answerBadAddress(refused: ObserveRefusal, headers: Readonly<Record<string, string>>) {
  return ({ code }: Error & { code?: string }, { id }: FastifyRequest, reply: FastifyReply): void => {
    const error =
      code === 'FST_ERR_MAX_PARAM_LENGTH'
        ? new AppError('NOT_FOUND', 'There is nothing at this address: a part of it is too long.')
        : new AppError('BAD_REQUEST', 'The address of the request cannot be decoded.')
    refuse(reply.headers({ ...headers, 'x-request-id': id }), error, refused)
  }
}

/** `status`: for an error with a more precise HTTP status than its code has in the table. */
export function refuse(
  reply: FastifyReply,
  error: AppError,
  refused: ObserveRefusal,
  status = statusOf(error.code),
): FastifyReply {
  observe(reply, error.code, status, refused)
  if (error instanceof RateLimitedError) reply.headers(refusalHeaders(error))
  if (error.code === 'UNAUTHENTICATED' && !reply.hasHeader('www-authenticate')) reply.header('www-authenticate', 'Bearer')
  return send(reply, status, errorBody(error).errors[0])
}

/** Answers in the form of the door that the address belongs to. */
function send(reply: FastifyReply, status: number, error: GraphQLFormattedError): FastifyReply {
  if (isRest(reply)) return sendProblem(reply, status, error)
  return reply
    .code(status)
    .headers(retryHeaders(error))
    .send({ errors: [error] })
}

/** By the route where there is one: the address may be a whole URL, or have letters written as `%61`. */
function isRest({ request: { routeOptions, url } }: FastifyReply): boolean {
  return (routeOptions.url ?? url).startsWith('/api/')
}

function observe({ request }: FastifyReply, code: ErrorCode, status: number, refused: ObserveRefusal): void {
  const { receivedAt, principal } = request
  const seconds = receivedAt === undefined ? 0 : (performance.now() - receivedAt) / 1_000
  refused({ code, status, seconds, principal, request: namesOf(request) })
}
