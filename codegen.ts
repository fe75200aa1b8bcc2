import type { CodegenConfig } from '@graphql-codegen/cli'

// Typed operations for the API tests: what a front-end would generate for itself.
export default {
  schema: 'schema.graphql',
  documents: 'test/api/**/*.graphql',
  generates: {
    'test/api/generated/operations.ts': {
      plugins: ['typescript-operations', 'typed-document-node'],
      config: {
        useTypeImports: true,
        enumsAsTypes: true,
        scalars: { DateTime: 'string', JSON: 'unknown' },
        avoidOptionals: false,
      },
    },
  },
} satisfies CodegenConfig
