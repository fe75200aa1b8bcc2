declare module 'swagger-ui-dist/swagger-ui-es-bundle' {
  /** Shows an OpenAPI document in a node of the page (swagger.io/docs/open-source-tools/swagger-ui/usage/configuration). */
  export default function SwaggerUI(options: {
    readonly spec: object
    readonly domNode: Element | null
    readonly deepLinking: boolean
    readonly validatorUrl: null
    readonly docExpansion: 'list' | 'full' | 'none'
  }): void
}
