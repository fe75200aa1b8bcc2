import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { LongestFirst } from './test/support/longestFirst.js'

const require = createRequire(import.meta.url)

// It puts a module of its own in the place of another, which test files that share their modules would see too.
const ISOLATED = 'test/unit/server/httpServer.test.ts'

export default defineConfig({
  // Some packages load graphql as CommonJS and some as an ES module: two copies refuse each other's schemas.
  resolve: { alias: { graphql: require.resolve('graphql') } },
  test: {
    globalSetup: ['test/support/globalPostgres.ts'],
    pool: 'forks',
    // Test files wait a good part of their time.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', { include: ['test/unit/**/*.test.ts', 'test/*.test.ts'], exclude: [ISOLATED], isolate: false }),
      project('isolated', { include: [ISOLATED] }),
      project('api', { include: ['test/api/*.test.ts'], isolate: false }),
      project('integration', { include: ['test/integration/*.test.ts'], isolate: false }),
      project('security', { include: ['test/security/*.test.ts'], isolate: false }),
      project('faults', { include: ['test/faults/*.test.ts'], sequence: { groupOrder: 1 } }),
    ],
  },
})

function project(name: string, options: object) {
  return {
    resolve: { alias: { graphql: require.resolve('graphql') } },
    test: { name, setupFiles: ['reflect-metadata'], testTimeout: 20_000, hookTimeout: 60_000, ...options },
  }
}
