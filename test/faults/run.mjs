// `npm run test:alerts`: finds redis-server as `npm test` does, then runs command.ts. Exit codes: 0 passed, 1 failed, 2 not run.
import { fileURLToPath } from 'node:url'
import { runnerImport } from 'vite'
import { findRequirements } from '../requirements.mjs'

const { found, isComplete } = findRequirements(['TEST_REDIS_SERVER'])
if (!isComplete) process.exit(2)
Object.assign(process.env, found)

const { module } = await runnerImport(fileURLToPath(new URL('command.ts', import.meta.url)), {
  configFile: false,
  // Node 20 does not support `await using`.
  oxc: { target: 'es2023' },
})
process.exit(await module.main(process.argv.slice(2)))
