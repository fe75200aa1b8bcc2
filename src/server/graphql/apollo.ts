import { ApolloServer, type ApolloServerPlugin } from '@apollo/server'
import { ApolloServerPluginCacheControlDisabled, ApolloServerPluginLandingPageDisabled } from '@apollo/server/plugin/disabled'
import type { GraphQLSchema } from 'graphql'
import { AppError } from '../../errors.js'
import { type Tracer, UNTRACED } from '../../tracer.js'
import { publicError, type ReportUnexpected, retryHeaders } from '../formatError.js'
import { ADDED_RULES, MAX_TOKENS, VALIDATION_OPTIONS } from '../operations/documentRules.js'
import type { OperationGate } from '../operations/operationGate.js'
import type { GatewayContext, ObserveLookups, OperationReport } from '../operations/operationReport.js'
import { failureStatus, isRequestError, responseCode, rootField } from '../operations/responseStatus.js'
import { createDocumentStore } from './documentStore.js'
import { asGateway } from './executor.js'
import type { PreparedOperations } from './preparedOperations.js'
import { tracedParsing } from './tracedParsing.js'

// The GraphQL over HTTP specification: a client that accepts only application/json gets status 200 even when its document or
// variables are wrong.
const ONLY_JSON = /^\s*application\/json\s*(;[^,]*)?$/i

export interface ApolloOptions {
  readonly schema: GraphQLSchema
  readonly gate: OperationGate
  /** Receives each operation that comes a second time. */
  readonly prepared: PreparedOperations
  readonly report: ReportUnexpected
  readonly observe: (report: OperationReport) => void
  readonly lookedUp: ObserveLookups
  readonly tracer?: Tracer | undefined
}

export function createApollo(options: ApolloOptions): ApolloServer<GatewayContext> {
  const { schema, gate, prepared, report, observe, lookedUp, tracer = UNTRACED } = options
  return new ApolloServer<GatewayContext>({
    gateway: asGateway(schema, gate, prepared),
    introspection: true,
    includeStacktraceInErrorResponses: false,
    hideSchemaDetailsFromClientErrors: true,
    persistedQueries: false,
    documentStore: createDocumentStore(lookedUp.document),
    stopOnTerminationSignals: false,
    parseOptions: { maxTokens: MAX_TOKENS },
    validationRules: [...ADDED_RULES],
    validationOptions: VALIDATION_OPTIONS,
    // A page of another origin must send a preflight request first. One request holds one operation.
    csrfPrevention: true,
    allowBatchedHttpRequests: false,
    formatError: (formatted, error) => publicError(formatted, error, report),
    // Apollo's own page loads its scripts from another origin; ours is at /playground.
    plugins: [
      ApolloServerPluginLandingPageDisabled(),
      // Cache control would wrap every field of the schema, for hints that nobody reads.
      ApolloServerPluginCacheControlDisabled(),
      refuseSubscriptions,
      statusOfErrors,
      observed(observe),
      ...tracedParsing(tracer),
    ],
  })
}

/** Apollo would run a subscription sent over HTTP and return its first value. */
const refuseSubscriptions: ApolloServerPlugin<GatewayContext> = {
  async requestDidStart() {
    return {
      async didResolveOperation({ operation }) {
        if (operation?.operation !== 'subscription') return
        throw new AppError(
          'SUBSCRIPTION_REQUIRES_WEBSOCKET',
          'Send subscriptions over WebSocket, with protocol graphql-transport-ws, or to /graphql/stream for server-sent events.',
        )
      },
    }
  },
}

/** Apollo answers 200 whatever a resolver throws; this sets the status of the error. */
const statusOfErrors: ApolloServerPlugin<GatewayContext> = {
  async requestDidStart({ request }) {
    return {
      async willSendResponse({ response }) {
        // The same header as on a prepared operation: no cache may keep either, and nobody may see whether others sent the same
        // document.
        response.http.headers.set('cache-control', 'no-store')
        if (response.body.kind !== 'single') return
        const { data, errors } = response.body.singleResult
        const status = failureStatus(data, errors)
        if (status === undefined || !errors?.[0]) return
        for (const [name, value] of Object.entries(retryHeaders(errors[0]))) response.http.headers.set(name, value)
        const isForOldClient = ONLY_JSON.test(request.http?.headers.get('accept') ?? '')
        response.http.status = isForOldClient && isRequestError(data, errors) ? 200 : status
      },
    }
  },
}

function observed(observe: ApolloOptions['observe']): ApolloServerPlugin<GatewayContext> {
  return {
    async requestDidStart({ contextValue: context }) {
      const startedAt = performance.now()
      return {
        async willSendResponse({ operation, response }) {
          const errors = response.body.kind === 'single' ? response.body.singleResult.errors : undefined
          const seconds = (performance.now() - startedAt) / 1_000
          const status = response.http.status ?? 200
          observe({ operation: rootField(operation), code: responseCode(errors), seconds, status, context })
        },
      }
    },
  }
}
