import { errorCodes, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql'
import { z } from 'zod'
import { AppError, type Problem } from '../../errors.js'
import type { ContextOf } from '../../resolvers/context.js'
import type { ModelContract } from '../../scoring/contract.js'
import { type Tracer, UNTRACED } from '../../tracer.js'
import type { Auth } from '../access.js'
import { errorBody, JSON_TYPE, statusOf } from '../formatError.js'
import { contextOfRequest, type OperationResult, type RunOperationOptions } from '../graphql/runOperation.js'
import type { AddressLimit } from '../limits/addressLimit.js'
import type { OperationReport } from '../operations/operationReport.js'
import { authenticateSlowBody, operationRoute } from '../operations/operationRoute.js'
import { responseCode } from '../operations/responseStatus.js'
import { traced } from '../operations/tracedHandler.js'
import { requireDecodable, requireUtf8 } from '../operations/utf8.js'
import { sendProblem } from '../problem.js'
import { checked } from './checked.js'
import { sendTagged } from './entityTag.js'
import { storable } from './queryParameters.js'
import { RegisteredOperation } from './registeredOperation.js'
import type { Asked, RestRoute } from './restRoute.js'
import { restRoutes } from './restRoutes.js'
import { strictJson } from './strictJson.js'

// The header is a structured text (RFC 9651) in its draft, and bare with most services that have it.
const QUOTED = /^"(.*)"$/
const NO_PARAMETERS = z.strictObject({})

export interface RestOptions extends RunOperationOptions {
  readonly schema: GraphQLSchema
  readonly contracts: readonly ModelContract[]
  readonly auth: Auth
  readonly addresses: AddressLimit
  readonly contextOf: ContextOf
  readonly observe: (report: OperationReport) => void
  /** Absent: nothing is traced. */
  readonly tracer?: Tracer | undefined
}

/** Serves the REST door: each of its routes runs a registered operation, as GraphQL would run it. */
export async function serveRest(server: FastifyInstance, options: RestOptions): Promise<void> {
  await server.register(async rest => {
    rest.removeAllContentTypeParsers()
    rest.addContentTypeParser('application/json', { parseAs: 'buffer' }, async ({ headers }: FastifyRequest, body: Buffer) => {
      if (headers['content-encoding'] !== undefined) throw new errorCodes.FST_ERR_CTP_INVALID_MEDIA_TYPE()
      requireUtf8(body, headers['content-type'])
      return strictJson(body)
    })
    for (const route of restRoutes(options.contracts)) serveRoute(rest, route, options)
  })
}

function serveRoute(server: FastifyInstance, route: RestRoute, options: RestOptions): void {
  server.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/g, ':$1'),
    ...operationRoute(options),
    preHandler: authenticateSlowBody(options.auth),
    handler: traced(options.tracer ?? UNTRACED, runRoute(route, options)),
  })
}

function runRoute(route: RestRoute, options: RestOptions) {
  const operation = new RegisteredOperation(options.schema, options, route.document)
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const startedAt = performance.now()
    const context = contextOfRequest(request, reply, options.contextOf)
    // A request that is wrong in itself fails here, and pays as one that cannot be read.
    const asked = askedOf(request, route)
    const { answer, error } = await resultOf(route, asked, operation.run(context, route.variables(asked)))
    const seconds = (performance.now() - startedAt) / 1_000
    if (error) sendProblem(reply, statusOf(error.extensions?.code), inRequest(error, route))
    else sendAnswer(reply, route, answer)
    const { statusCode: status } = reply
    options.observe({ operation: route.operationId, code: responseCode(error && [error]), seconds, status, context })
    return reply
  }
}

function sendAnswer(reply: FastifyReply, { hasEntityTag }: RestRoute, answer: unknown): FastifyReply {
  const body = `${JSON.stringify(answer)}\n`
  return hasEntityTag ? sendTagged(reply, body) : reply.header('content-type', JSON_TYPE).send(body)
}

interface Result {
  readonly answer?: unknown
  readonly error?: GraphQLFormattedError | undefined
}

async function resultOf({ answerOf }: RestRoute, asked: Asked, running: Promise<OperationResult>): Promise<Result> {
  try {
    const { data, errors } = await running
    return errors ? { error: errors[0] } : { answer: answerOf(data, asked) }
  } catch (error) {
    if (error instanceof AppError) return { error: errorBody(error).errors[0] }
    throw error
  }
}

/** The error with the paths of its problems leading into the REST request. */
function inRequest(error: GraphQLFormattedError, { pathOf }: RestRoute): GraphQLFormattedError {
  const problems = error.extensions?.problems as readonly Problem[] | undefined
  if (!problems) return error
  return {
    ...error,
    extensions: { ...error.extensions, problems: problems.map(found => ({ ...found, path: pathOf(found.path) })) },
  }
}

/** @throws AppError BAD_USER_INPUT */
function askedOf(request: FastifyRequest, route: RestRoute): Asked {
  requireDecodable(request.url)
  const parameters = pathParametersOf(request)
  return {
    parameter: Object.values(parameters)[0] ?? '',
    parameters,
    query: checked(route.query ?? NO_PARAMETERS, request.query, 'address'),
    body: route.body && checked(route.body, request.body, 'body'),
    idempotencyKey: idempotencyKeyOf(request, route),
  }
}

function pathParametersOf({ params }: FastifyRequest): Record<string, string> {
  const given = Object.entries(params as Record<string, string>)
  return Object.fromEntries(given.map(([name, value]) => [name, checked(storable, value, 'address', name)]))
}

function idempotencyKeyOf({ headers }: FastifyRequest, { idempotencyKey }: RestRoute): string | undefined {
  const given = headers['idempotency-key']
  if (!idempotencyKey || given === undefined) return undefined
  return checked(idempotencyKey, String(given).replace(QUOTED, '$1'), 'header', 'Idempotency-Key')
}
