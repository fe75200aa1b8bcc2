import type { FastifyReply, FastifyRequest } from 'fastify'
import type { OperationDefinitionNode } from 'graphql'
import { AppError } from '../../errors.js'
import type { ContextOf } from '../../resolvers/context.js'
import { errorBody, JSON_TYPE, retryHeaders } from '../formatError.js'
import { UNREAD_POINTS } from '../operations/operationGate.js'
import type { GatewayContext, ObserveLookups, OperationReport } from '../operations/operationReport.js'
import { failureStatus, responseCode, rootField } from '../operations/responseStatus.js'
import type { TrustedDocuments } from '../operations/trustedDocuments.js'
import type { PreparedOperations } from './preparedOperations.js'
import { checkRequestedDocument } from './requestedDocument.js'
import { contextOfRequest, type OperationResult, type RunOperationOptions, runOperation } from './runOperation.js'

// Most clients send one of these; Apollo negotiates all others.
const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json', 'application/json, */*'])

export interface RunPreparedOptions extends RunOperationOptions {
  readonly prepared: PreparedOperations
  /** Absent: any document within the limits may run. */
  readonly trustedDocuments?: TrustedDocuments | undefined
  readonly observe: (report: OperationReport) => void
  readonly lookedUp: ObserveLookups
  readonly contextOf: ContextOf
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Set on a request that is left to Apollo and has paid for being parsed. */
    operationContext: GatewayContext | undefined
  }
}

/** Runs an operation that is prepared already. Apollo runs everything else, once its request has paid for being parsed. */
export function runPrepared(options: RunPreparedOptions, otherwise: (request: FastifyRequest, reply: FastifyReply) => unknown) {
  const { prepared, gate, trustedDocuments, observe, lookedUp, contextOf } = options

  const find = ({ method, headers, body }: FastifyRequest) =>
    method === 'POST' && PLAIN_ACCEPT.has(headers.accept) ? prepared.find(body) : undefined

  /** Finds the prepared operation of a request; undefined where Apollo must parse it. */
  async function lookUp(request: FastifyRequest, context: GatewayContext) {
    checkRequestedDocument(request, trustedDocuments)
    const found = trustedDocuments && find(request)
    if (found) return found
    await gate.charge(context, UNREAD_POINTS)
    request.operationContext = Object.assign(context, { paidPoints: UNREAD_POINTS })
    return undefined
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
    const startedAt = performance.now()
    const context = contextOfRequest(request, reply, contextOf)
    let operation: OperationDefinitionNode | undefined

    function answer({ data, errors }: OperationResult): FastifyReply {
      const seconds = (performance.now() - startedAt) / 1_000
      const failure = failureStatus(data, errors)
      const status = failure ?? 200
      observe({ operation: rootField(operation), code: responseCode(errors), seconds, status, context })
      reply.code(status).header('content-type', JSON_TYPE).header('cache-control', 'no-store')
      if (failure !== undefined && errors?.[0]) reply.headers(retryHeaders(errors[0]))
      // The same bytes as Apollo's answer, line feed included.
      return reply.send(`${JSON.stringify(errors ? { errors, data } : { data })}\n`)
    }

    try {
      const found = find(request) ?? (await lookUp(request, context))
      lookedUp.prepared(found !== undefined)
      if (!found) return otherwise(request, reply)
      operation = found.prepared.plan.operation
      return answer(await runOperation(options, found.prepared, context, found.variables))
    } catch (error) {
      if (error instanceof AppError) return answer(errorBody(error))
      throw error
    }
  }
}
