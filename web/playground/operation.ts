import { getOperationAST, type OperationDefinitionNode, parse } from 'graphql'

/**
 * The operation that `query` means. GraphiQL learns of a text's operations late: right after a change of tab, `name` is still that
 * of the tab before, and a subscription would go out over HTTP. Undefined where the text has none, or several and none so named.
 */
export function operationOf(query: string, name: string | null | undefined): OperationDefinitionNode | undefined {
  try {
    const document = parse(query)
    return getOperationAST(document, name) ?? getOperationAST(document) ?? undefined
  } catch {
    return undefined
  }
}
