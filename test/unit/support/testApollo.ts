import type { Role } from '../../../src/auth/principal.js'
import { createApollo } from '../../../src/server/graphql/apollo.js'
import { PreparedOperations } from '../../../src/server/graphql/preparedOperations.js'
import { OperationGate } from '../../../src/server/operations/operationGate.js'
import type { GatewaySchema } from './gatewaySchema.js'

export interface Answer {
  readonly data: unknown
  readonly errors: readonly {
    readonly message: string
    readonly code: unknown
    readonly path: readonly (string | number)[] | undefined
    readonly extensions: Readonly<Record<string, unknown>>
  }[]
}

export interface TestApollo extends AsyncDisposable {
  /** Messages of unexpected errors. */
  readonly reports: unknown[]
  ask(query: string, variables?: Record<string, unknown>, operationName?: string): Promise<Answer>
}

/** Starts the real Apollo Server over a schema, without HTTP. */
export async function startApollo({ schema, contextOf }: GatewaySchema, ...roles: Role[]): Promise<TestApollo> {
  const reports: unknown[] = []
  const apollo = createApollo({
    schema,
    gate: new OperationGate({ schema, chargePoints: () => undefined, development: false }),
    prepared: new PreparedOperations(schema),
    report: (_id, error) => reports.push(error),
    observe: () => {},
    lookedUp: { document: () => {}, prepared: () => {} },
  })
  await apollo.start()
  return {
    reports,
    async ask(query, variables, operationName) {
      const request = { query, ...(variables && { variables }), ...(operationName !== undefined && { operationName }) }
      const { body } = await apollo.executeOperation(request, { contextValue: contextOf(...roles) })
      if (body.kind !== 'single') throw new Error('The answer comes in parts.')
      const { data = null, errors = [] } = body.singleResult
      return {
        data,
        errors: errors.map(({ message, path, extensions = {} }) => ({ message, code: extensions.code, path, extensions })),
      }
    },
    [Symbol.asyncDispose]: () => apollo.stop(),
  }
}
