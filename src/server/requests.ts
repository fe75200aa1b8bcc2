import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.js'
import { errorBody, publicError, type ReportUnexpected, statusOf } from './formatError.js'

const REQUEST_ID = /^[\w.-]{1,64}$/

const OUR_ERROR_BY_FASTIFY_CODE: Readonly<Record<string, () => AppError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () => new AppError('PAYLOAD_TOO_LARGE', 'The request body is larger than this server takes.'),
  FST_ERR_CTP_INVALID_JSON_BODY: () => new AppError('BAD_REQUEST', 'The request body is not valid JSON.'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () => new AppError('BAD_REQUEST', 'The request body is empty.'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () => new AppError('BAD_REQUEST', 'Send the request as Content-Type: application/json.'),
}

/** The id a proxy or client gave the request, where it is a plain one; else a new one. */
export function requestId({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id']
  return typeof given === 'string' && REQUEST_ID.test(given) ? given : randomUUID()
}

/** Told of each request that was answered with an error before it came to GraphQL. */
export type ObserveRefusal = (refusal: { readonly code: string; readonly requestId: string; readonly seconds: number }) => void

/** Answers whatever fails outside of GraphQL in the same form as GraphQL does. */
export function answerErrors(server: FastifyInstance, report: ReportUnexpected, refused: ObserveRefusal): void {
  const refuse = (reply: FastifyReply, error: AppError): FastifyReply => {
    refused({ code: error.code, requestId: reply.request.id, seconds: reply.elapsedTime / 1_000 })
    return send(reply, error)
  }
  server.setErrorHandler((error: Error & { code?: string; statusCode?: number }, _request, reply) => {
    const known = error instanceof AppError ? error : OUR_ERROR_BY_FASTIFY_CODE[error.code ?? '']?.()
    if (known) return refuse(reply, known)
    if (error.statusCode !== undefined && error.statusCode < 500) {
      return refuse(reply, new AppError('BAD_REQUEST', 'The request is not one that this server understands.'))
    }
    return reply.code(500).send({ errors: [publicError({ message: '' }, error, report)] })
  })
  server.setNotFoundHandler((_request, reply) => send(reply, new AppError('NOT_FOUND', 'There is nothing at this address.')))
}

/** Fastify answers by itself, and repeats the address, where an address cannot be decoded: before any route or error handler. */
export function answerBadAddress(_error: Error, _request: FastifyRequest, reply: FastifyReply): void {
  send(reply, new AppError('BAD_REQUEST', 'The address of the request cannot be decoded.'))
}

function send(reply: FastifyReply, error: AppError): FastifyReply {
  if (error.code === 'UNAUTHENTICATED') reply.header('www-authenticate', 'Bearer')
  return reply.code(statusOf(error.code)).send(errorBody(error))
}
