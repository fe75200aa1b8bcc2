// `npm run test:rules`: the alerts fire when they should, says promtool.
import { spawnSync } from 'node:child_process'
import { findRequirements } from './requirements.mjs'

const { found, isComplete } = findRequirements(['TEST_PROMTOOL'])
if (!isComplete) process.exit(1)
const cwd = new URL('../deploy/prometheus', import.meta.url)
const { status } = spawnSync(found.TEST_PROMTOOL, ['test', 'rules', 'rules.test.yml', 'rules.long.test.yml'], {
  cwd,
  stdio: 'inherit',
})
process.exit(status ?? 1)
