import { type GraphQLSchema, isExecutableDefinitionNode, Kind, parse, validate } from 'graphql'
import { publicErrors } from '../formatError.js'
import { planOf } from '../graphql/operationPlan.js'
import type { PreparedOperation } from '../graphql/preparedOperations.js'
import { type OperationResult, type RunOperationOptions, runOperation } from '../graphql/runOperation.js'
import type { GatewayContext } from '../operations/operationReport.js'
import { plainVariables } from '../operations/plainVariables.js'
import { coercedVariables } from '../operations/variableValues.js'

/** A GraphQL operation that is known when the gateway starts. */
export class RegisteredOperation {
  readonly #schema: GraphQLSchema
  readonly #options: RunOperationOptions
  readonly #prepared: PreparedOperation

  /** @throws where the document does not fit the schema, or has an operation without a plan */
  constructor(schema: GraphQLSchema, options: RunOperationOptions, text: string) {
    this.#schema = schema
    this.#options = options
    const document = parse(text)
    const [mistake] = validate(schema, document)
    if (mistake) throw mistake
    const operation = document.definitions
      .filter(isExecutableDefinitionNode)
      .find(({ kind }) => kind === Kind.OPERATION_DEFINITION)
    if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('A registered document must have an operation.')
    const plan = planOf(schema, document, operation)
    if (!plan) throw new Error('A registered operation must not have directives.')
    this.#prepared = { plan, isPlain: plainVariables(schema, operation), measured: options.gate.measure(document, operation) }
  }

  /** @throws AppError where the gate refuses it, or a text of the variables cannot be stored */
  async run(context: GatewayContext, variables: Record<string, unknown>): Promise<OperationResult> {
    const { plan, isPlain } = this.#prepared
    const result = isPlain(variables) ? { coerced: variables } : coercedVariables(this.#schema, plan.operation, variables)
    if ('errors' in result) return { errors: publicErrors(result.errors, this.#options.report) }
    return runOperation(this.#options, this.#prepared, context, result.coerced)
  }
}
