import type { CodegenConfig } from '@graphql-codegen/cli'

const config = {
  useTypeImports: true,
  enumsAsTypes: true,
  scalars: { DateTime: 'string', JSON: 'unknown' },
  avoidOptionals: false,
} as const

// Typed operations for the API tests: what a front-end would generate for itself.
export default {
  schema: 'schema.graphql',
  emitLegacyCommonJSImports: false,
  generates: {
    'test/support/generated/operations.ts': {
      documents: 'test/support/*.graphql',
      plugins: ['typescript-operations', 'typed-document-node'],
      config,
    },
    // The manifest of registered documents (RISKGATE_TRUSTED_DOCUMENTS), as the client preset writes it beside typed documents.
    'test/security/generated/': {
      documents: 'test/security/*.graphql',
      preset: 'client',
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config,
    },
  },
} satisfies CodegenConfig
