import etag from '@fastify/etag'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { GraphQLFormattedError, GraphQLSchema } from 'graphql'
import { z } from 'zod'
import { AppError, type Problem } from '../../errors.js'
import type { ContextOf } from '../../resolvers/context.js'
import type { ModelContract } from '../../scoring/contract.js'
import { type Tracer, UNTRACED } from '../../tracer.js'
import type { Auth } from '../access.js'
import { errorBody, JSON_TYPE, statusOf } from '../formatError.js'
import type { OperationReport } from '../graphql/apollo.js'
import { contextOfRequest, type OperationResult, type RunOperationOptions } from '../graphql/runOperation.js'
import type { AddressLimit } from '../limits/addressLimit.js'
import { authenticateSlowBody, operationRoute } from '../operations/operationRoute.js'
import { responseCode } from '../operations/responseStatus.js'
import { traced } from '../operations/tracedHandler.js'
import { sendProblem } from '../problem.js'
import { checked } from './checked.js'
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
  const routes = restRoutes(options.contracts)
  await server.register(async rest => {
    rest.removeAllContentTypeParsers()
    rest.addContentTypeParser('application/json', { parseAs: 'buffer' }, async (_request: FastifyRequest, body: Buffer) =>
      strictJson(body),
    )
    for (const route of routes.filter(({ hasEntityTag }) => !hasEntityTag)) serveRoute(rest, route, options)
    await rest.register(async tagged => {
      await tagged.register(etag)
      for (const route of routes.filter(({ hasEntityTag }) => hasEntityTag)) serveRoute(tagged, route, options)
    })
  })
}

function serveRoute(server: FastifyInstance, route: RestRoute, options: RestOptions): void {
  server.route({
    method: route.method,
    url: route.path.replace(/\{(\w+)\}/, ':$1'),
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
    const variables = route.variables(askedOf(request, route))
    const { answer, error } = await answerOf(route, () => operation.run(context, variables))
    const seconds = (performance.now() - startedAt) / 1_000
    const status = error ? statusOf(error.extensions?.code) : 200
    options.observe({ operation: route.operationId, code: responseCode(error && [error]), seconds, status, context })
    if (error) return sendProblem(reply, status, inRequest(error, route))
    if (route.hasEntityTag) reply.header('cache-control', 'private, no-cache')
    return reply.header('content-type', JSON_TYPE).send(`${JSON.stringify(answer)}\n`)
  }
}

async function answerOf(
  route: RestRoute,
  run: () => Promise<OperationResult>,
): Promise<{ answer?: unknown; error?: GraphQLFormattedError | undefined }> {
  try {
    const { data, errors } = await run()
    return errors ? { error: errors[0] } : { answer: route.answerOf(data) }
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
function askedOf({ params, query, body, headers }: FastifyRequest, route: RestRoute): Asked {
  const [key = ''] = Object.values(params as Record<string, string>)
  const given = route.idempotencyKey && headers['idempotency-key']
  return {
    key,
    query: checked(route.query ?? NO_PARAMETERS, query, 'query'),
    body: route.body && checked(route.body, body, 'body'),
    idempotencyKey:
      route.idempotencyKey && given !== undefined
        ? checked(route.idempotencyKey, String(given).replace(QUOTED, '$1'), 'header', 'Idempotency-Key')
        : undefined,
  }
}
