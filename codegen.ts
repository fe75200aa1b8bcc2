import type { CodegenConfig } from '@graphql-codegen/cli'

const config = {
  useTypeImports: true,
  enumsAsTypes: true,
  scalars: { DateTime: 'string', JSON: 'unknown' },
  avoidOptionals: false,
} as const

export default {
  schema: 'schema.graphql',
  emitLegacyCommonJSImports: false,
  generates: {
    // The types of what the page of the models asks for.
    'web/models/generated/operations.ts': { documents: 'web/models/*.graphql', plugins: ['typescript-operations'], config },
    // Typed operations for the API tests, generated as a front-end would generate them.
    'test/support/generated/operations.ts': {
      documents: 'test/support/*.graphql',
      plugins: ['typescript-operations', 'typed-document-node'],
      config,
    },
    // The client preset writes typed documents and, beside them, the manifest of registered documents (RISKGATE_TRUSTED_DOCUMENTS).
    'test/security/generated/': {
      documents: 'test/security/*.graphql',
      preset: 'client',
      presetConfig: { fragmentMasking: false, persistedDocuments: { hashAlgorithm: 'sha256' } },
      config,
    },
  },
} satisfies CodegenConfig
