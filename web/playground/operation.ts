import { getOperationAST, type OperationDefinitionNode, parse } from 'graphql'

/**
 * The operation of `query` to run. GraphiQL updates `name` late: right after a change of tabs it is still that of the tab before, and
 * a subscription would be sent over HTTP. Undefined if the text has no operation, or several and none with this name.
 */
export function operationOf(query: string, name: string | null | undefined): OperationDefinitionNode | undefined {
  try {
    const document = parse(query)
    return getOperationAST(document, name) ?? getOperationAST(document) ?? undefined
  } catch {
    return undefined
  }
}
