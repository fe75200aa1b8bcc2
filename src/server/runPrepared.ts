import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Principal } from '../auth/principal.js'
import type { AlertContext } from '../resolvers/alertResolver.js'
import type { OperationReport } from './apollo.js'
import { withPlainErrors } from './executor.js'
import { publicErrors, type ReportUnexpected } from './formatError.js'
import { failureStatus, outcomeCode, rootField } from './outcome.js'
import type { PreparedOperations } from './preparedOperations.js'

const JSON_TYPE = 'application/json; charset=utf-8'
// What most clients send; any other wish is Apollo's to weigh.
const PLAIN_ACCEPT = new Set([undefined, '*/*', 'application/json', 'application/json, */*'])

export interface RunPreparedOptions {
  readonly prepared: PreparedOperations
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly contextOf: (principal: Principal, options: { isStream: boolean }) => AlertContext
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => unknown

/** Answers an operation that is known already; leaves everything else to Apollo. */
export function runPrepared({ prepared, report, observe, contextOf }: RunPreparedOptions, otherwise: unknown): Handler {
  return async function (this: unknown, request, reply) {
    const { principal, headers, method } = request
    const found = method === 'POST' && PLAIN_ACCEPT.has(headers.accept) ? prepared.find(request.body) : undefined
    if (!found || !principal) return (otherwise as Handler).call(this, request, reply)
    const startedAt = performance.now()
    const context = { ...contextOf(principal, { isStream: false }), requestId: request.id }
    const { operation, query } = found.prepared
    const { data, errors: failures } = withPlainErrors(await query(undefined, context, found.variables))
    const errors = failures && publicErrors(failures, report)
    const seconds = (performance.now() - startedAt) / 1_000
    observe({ operation: rootField(operation), code: outcomeCode(errors), seconds, context })
    reply.header('content-type', JSON_TYPE).header('cache-control', 'no-store')
    reply.code(failureStatus(data, errors) ?? 200)
    // To the byte what Apollo answers, line feed included.
    return reply.send(`${JSON.stringify(errors ? { errors, data } : { data })}\n`)
  }
}
