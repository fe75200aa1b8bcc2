import type { FastifyReply, FastifyRequest } from 'fastify'
import type { GraphQLFormattedError, OperationDefinitionNode } from 'graphql'
import { AppError } from '../../errors.js'
import type { ContextOf } from '../../resolvers/context.js'
import { errorBody, JSON_TYPE, publicErrors, type ReportUnexpected } from '../formatError.js'
import { type OperationGate, UNREAD_POINTS } from '../operations/operationGate.js'
import { failureStatus, responseCode, rootField } from '../operations/responseStatus.js'
import type { TrustedDocuments } from '../operations/trustedDocuments.js'
import type { GatewayContext, OperationReport } from './apollo.js'
import type { PreparedOperations } from './preparedOperations.js'
import { checkRequestedDocument } from './requestedDocument.js'
import { runPlan } from './runPlan.js'

// Most clients send one of these; Apollo negotiates all others.
const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json', 'application/json, */*'])

export interface RunPreparedOptions {
  readonly prepared: PreparedOperations
  readonly gate: OperationGate
  /** Absent: any document within the limits may run. */
  readonly trustedDocuments?: TrustedDocuments | undefined
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly contextOf: ContextOf
}

interface Result {
  readonly data?: Record<string, unknown> | null | undefined
  readonly errors?: readonly GraphQLFormattedError[] | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on a request that is left to Apollo and has paid for being parsed. */
    operationContext: GatewayContext | undefined
  }
}

/** Runs an operation that is prepared already. Apollo runs everything else, once its request has paid for being parsed. */
export function runPrepared(options: RunPreparedOptions, otherwise: (request: FastifyRequest, reply: FastifyReply) => unknown) {
  const { prepared, gate, trustedDocuments, report, observe, contextOf } = options

  const find = ({ method, headers, body }: FastifyRequest) =>
    method === 'POST' && PLAIN_ACCEPT.has(headers.accept) ? prepared.find(body) : undefined

  /** Finds the prepared operation of a request; undefined where Apollo must parse it. */
  async function lookUp(request: FastifyRequest, context: GatewayContext) {
    checkRequestedDocument(request, trustedDocuments)
    const found = trustedDocuments && find(request)
    if (found) return found
    await gate.charge(context, UNREAD_POINTS)
    request.operationContext = { ...context, paidPoints: UNREAD_POINTS }
    return undefined
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const startedAt = performance.now()
    const context = contextOfRequest(request, reply, contextOf)
    let operation: OperationDefinitionNode | undefined

    function answer({ data, errors }: Result): FastifyReply {
      const seconds = (performance.now() - startedAt) / 1_000
      observe({ operation: rootField(operation), code: responseCode(errors), seconds, context })
      reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store')
      reply.code(failureStatus(data, errors) ?? 200)
      // The same bytes as Apollo's answer, line feed included.
      return reply.send(`${JSON.stringify(errors ? { errors, data } : { data })}\n`)
    }

    try {
      const found = find(request) ?? (await lookUp(request, context))
      if (!found) return otherwise(request, reply)
      operation = found.prepared.plan.operation
      const entering = gate.enter(found.prepared.measured, context, found.variables)
      if (entering) await entering
      const { data, errors } = await runPlan(found.prepared.plan, context, found.variables)
      return answer({ data, errors: errors && publicErrors(errors, report) })
    } catch (error) {
      if (error instanceof AppError) return answer(errorBody(error))
      throw error
    }
  }
}

/** @throws where the route let an anonymous request through */
function contextOfRequest({ principal, id }: FastifyRequest, reply: FastifyReply, contextOf: ContextOf): GatewayContext {
  if (!principal) throw new Error('The route let an anonymous request through.')
  return { ...contextOf(principal, { isStream: false }), requestId: id, setHeaders: headers => reply.headers(headers) }
}
