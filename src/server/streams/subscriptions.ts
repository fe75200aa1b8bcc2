import {
  createSourceEventStream,
  type DocumentNode,
  type ExecutionResult,
  GraphQLError,
  type GraphQLSchema,
  type OperationDefinitionNode,
  TypeInfo,
  visit,
  visitWithTypeInfo,
} from 'graphql'
import { type Principal, viewOf } from '../../auth/principal.js'
import type { RequestContext } from '../../resolvers/context.js'
import type { ReportUnexpected } from '../formatError.js'
import type { Entrant, OperationGate } from '../operations/operationGate.js'
import type { TrustedDocuments } from '../operations/trustedDocuments.js'
import { Delivery, type Send } from './delivery.js'
import { type KeyedArgs, SharedOperations } from './sharedOperations.js'
import { prepareSubscription, type SubscribeRequest } from './subscriptionDocument.js'

const POINTS_OF_A_SUBSCRIPTION = 1

export interface SubscriptionsOptions {
  readonly schema: GraphQLSchema
  readonly gate: OperationGate
  /** Absent: any document within the limits may run. */
  readonly trustedDocuments?: TrustedDocuments | undefined
  readonly contextOf: (principal: Principal) => RequestContext
  readonly report: ReportUnexpected
}

export interface SubscriptionArgs extends KeyedArgs {
  readonly send: Send
}

export type Prepared = {
  /** Known as soon as the document is valid. */
  readonly operation?: OperationDefinitionNode
} & ({ readonly args: SubscriptionArgs } | { readonly errors: readonly GraphQLError[] })

/** Checks and opens subscriptions, over any transport. */
export class Subscriptions {
  readonly #options: SubscriptionsOptions
  readonly #operations: SharedOperations

  constructor(options: SubscriptionsOptions) {
    this.#options = options
    this.#operations = new SharedOperations(options.report)
  }

  /** Charges the points of a request to subscribe, before it is parsed. @throws RateLimitedError */
  charge(entrant: Entrant): void | Promise<void> {
    return this.#options.gate.charge(entrant, POINTS_OF_A_SUBSCRIPTION)
  }

  /** Checks a request. Returns errors where it is not valid, or where something fails unexpectedly. */
  prepare(asked: SubscribeRequest, principal: Principal, send: Send): Prepared {
    const { schema, gate, trustedDocuments, contextOf } = this.#options
    try {
      const request = trustedDocuments ? { ...asked, query: trustedDocuments.textOf(asked) } : asked
      const prepared = prepareSubscription(schema, gate, request)
      if ('errors' in prepared) return prepared
      const { operation, document } = prepared
      const { operationName, variables: variableValues } = request
      const key = this.#keyOf(request, document, principal)
      const args = {
        key,
        send,
        schema,
        // One parsed document for all who sent the same text.
        document: this.#operations.find(key)?.args.document ?? document,
        operationName,
        variableValues,
        contextValue: contextOf(principal),
      }
      return { ...(operation && { operation }), args }
    } catch (error) {
      return { errors: [asGraphQLError(error)] }
    }
  }

  /** Returns a delivery that has not started, or the errors that prevent it. Never throws. */
  async open(args: SubscriptionArgs): Promise<Delivery | ExecutionResult> {
    try {
      const source = await createSourceEventStream(args)
      if (!(Symbol.asyncIterator in source)) return source
      const { operation, leave } = this.#operations.join(args)
      return new Delivery({ source: source as AsyncIterable<object>, operation, send: args.send, ended: leave })
    } catch (error) {
      return { errors: [asGraphQLError(error)] }
    }
  }

  /** Subscribers with the same request, the same rights and the same view share a key, and receive the same payloads. */
  #keyOf({ query, operationName, variables }: SubscribeRequest, document: DocumentNode, principal: Principal): string {
    const names = variablesOfEvents(this.#options.schema, document)
    const asked = Object.fromEntries(names.map(name => [name, variables?.[name]]))
    return JSON.stringify([query, operationName, asked, viewOf(principal)])
  }
}

/**
 * The variables that the execution of an event reads. Variables in the arguments of the root field do not count: `after` and
 * `filter` choose which events come, and each subscriber has its own.
 */
function variablesOfEvents(schema: GraphQLSchema, document: DocumentNode): readonly string[] {
  const names = new Set<string>()
  const types = new TypeInfo(schema)
  const root = schema.getSubscriptionType()
  visit(
    document,
    visitWithTypeInfo(types, {
      VariableDefinition: () => false,
      Argument: () => (types.getParentType() === root && !types.getDirective() ? false : undefined),
      Variable: ({ name }) => {
        names.add(name.value)
      },
    }),
  )
  return [...names]
}

export function asGraphQLError(error: unknown): GraphQLError {
  return new GraphQLError('', { originalError: error instanceof Error ? error : new Error(typeof error) })
}
