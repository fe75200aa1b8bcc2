/** What this page reads of the OpenAPI document. */
export interface OpenApi {
  readonly components: {
    readonly schemas: { readonly Problem: { readonly properties: { readonly code: { readonly oneOf: readonly CodeSchema[] } } } }
  }
}

interface CodeSchema {
  readonly const: string
  readonly description: string
}

/** The codes of errors, each with its meaning. */
export function problemCodes({ components }: OpenApi): { code: string; description: string }[] {
  return components.schemas.Problem.properties.code.oneOf.map(({ const: code, description }) => ({ code, description }))
}
