import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { isLostTypeFetch } from './src/storage/postgres/postgresErrors.js'
import { LongestFirst } from './test/support/longestFirst.js'

// Some packages load graphql as CommonJS and some as ES module: two copies refuse each other's schemas.
const resolve = { alias: { graphql: createRequire(import.meta.url).resolve('graphql') } }

// It puts a module of its own in the place of another, which test files that share their modules would see too.
const REPLACES_MODULE = 'test/unit/server/httpServer.test.ts'

export default defineConfig({
  test: {
    // `serve` passes over it, too: postgres.js looks types up on a connection that a test has cut.
    onUnhandledError: error => !isLostTypeFetch(error),
    // The last one ends first.
    globalSetup: ['test/support/ownFolder.ts', 'test/support/globalPostgres.ts'],
    pool: 'forks',
    // Test files wait a good part of their time.
    maxWorkers: availableParallelism() + 2,
    sequence: { sequencer: LongestFirst },
    projects: [
      // Test files share the modules that a worker has imported: importing the gateway takes longer than most of them.
      // A gateway takes seconds to start on a busy machine, and several start at once.
      project('gateway', { include: ['test/{api,integration,security}/*.test.ts'], isolate: false, testTimeout: 60_000 }),
      project('unit', {
        include: ['test/unit/**/*.test.ts', 'test/*.test.ts'],
        exclude: [REPLACES_MODULE],
        isolate: false,
      }),
      project('isolated', { include: [REPLACES_MODULE] }),
      // Last and alone: they measure how late alerts come.
      project('faults', { include: ['test/faults/*.test.ts'], sequence: { groupOrder: 1 } }),
      // Not in `npm test`: `npm run test:dashboards` takes minutes.
      ...(process.env.RISKGATE_DASHBOARDS
        ? [project('dashboards', { include: ['test/dashboards/*.test.ts'], testTimeout: 60_000 })]
        : []),
      // Not in `npm test`: `npm run test:field` takes minutes.
      ...(process.env.RISKGATE_FIELD
        ? [project('field', { include: ['test/field/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 })]
        : []),
      // Not in `npm test`: `npm run test:swap` takes three minutes.
      ...(process.env.RISKGATE_SWAPS ? [project('swap', { include: ['test/swap/*.test.ts'], testTimeout: 120_000 })] : []),
      // Not in `npm test`: `npm run test:browser` needs Chromium.
      ...(process.env.RISKGATE_BROWSER
        ? [project('browser', { include: ['test/browser/*.test.ts'], testTimeout: 60_000, hookTimeout: 120_000 })]
        : []),
      // Not in `npm test`: `npm run test:upgrade` builds the release before first.
      ...(process.env.TEST_OLD_RELEASE
        ? [project('upgrade', { include: ['test/upgrade/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 })]
        : []),
      // Not in `npm test`: `npm run test:mlflow` installs MLflow first.
      ...(process.env.TEST_MLFLOW_PYTHON
        ? [project('mlflow', { include: ['test/mlflow/*.test.ts'], testTimeout: 120_000, hookTimeout: 120_000 })]
        : []),
      // Not in `npm test`: `npm run test:image` and `npm run test:compose` make what they need first.
      ...(process.env.TEST_CONTAINERS
        ? [project('containers', { include: ['test/containers/*.test.ts'], testTimeout: 120_000 })]
        : []),
    ],
  },
})

function project(name: string, options: object) {
  return { resolve, test: { name, setupFiles: ['reflect-metadata'], testTimeout: 20_000, hookTimeout: 60_000, ...options } }
}
