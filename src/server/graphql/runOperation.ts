import type { FastifyReply, FastifyRequest } from 'fastify'
import type { GraphQLFormattedError } from 'graphql'
import type { ContextOf } from '../../resolvers/context.js'
import { publicErrors, type ReportUnexpected } from '../formatError.js'
import type { OperationGate } from '../operations/operationGate.js'
import type { GatewayContext } from '../operations/operationReport.js'
import { namesOf } from '../requestNames.js'
import type { PreparedOperation } from './preparedOperations.js'
import { runPlan } from './runPlan.js'

export interface RunOperationOptions {
  readonly gate: OperationGate
  readonly report: ReportUnexpected
}

export interface OperationResult {
  readonly data?: Record<string, unknown> | null | undefined
  readonly errors?: readonly GraphQLFormattedError[] | undefined
}

/**
 * Lets an operation with coerced variables through the gate, and runs its plan.
 * @throws AppError FORBIDDEN, QUERY_TOO_COMPLEX or RATE_LIMITED where the gate refuses it
 */
export async function runOperation(
  { gate, report }: RunOperationOptions,
  { plan, measured }: PreparedOperation,
  context: GatewayContext,
  variables: Record<string, unknown>,
): Promise<OperationResult> {
  const entering = gate.enter(measured, context, variables)
  if (entering) await entering
  const { data, errors } = await runPlan(plan, context, variables)
  return { data, errors: errors && publicErrors(errors, report) }
}

/** @throws where the route let an anonymous request through */
export function contextOfRequest(request: FastifyRequest, reply: FastifyReply, contextOf: ContextOf): GatewayContext {
  const { principal } = request
  if (!principal) throw new Error('The route let an anonymous request through.')
  return Object.assign(contextOf(principal, { isStream: false }), {
    request: namesOf(request),
    setHeaders: (headers: Readonly<Record<string, string>>) => reply.headers(headers),
  })
}
