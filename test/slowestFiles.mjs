// A reporter of Vitest that prints which test files took longest: their imports, hooks and tests.
import { relative } from 'node:path'

const SHOWN = 15

export default class SlowestFiles {
  onInit({ logger }) {
    this.print = line => logger.log(line)
  }

  onTestRunEnd(modules) {
    const files = modules.map(module => ({ name: relative(import.meta.dirname, module.moduleId), seconds: secondsOf(module) }))
    const sum = files.reduce((total, { seconds }) => total + seconds, 0)
    this.print(`\n${files.length} test files took ${sum.toFixed(0)} s together, the slowest:`)
    for (const { name, seconds } of files.sort((one, other) => other.seconds - one.seconds).slice(0, SHOWN)) {
      this.print(`${seconds.toFixed(1).padStart(7)} s  ${name}`)
    }
  }
}

function secondsOf(module) {
  const { environmentSetupDuration, prepareDuration, setupDuration, collectDuration, duration } = module.diagnostic()
  return (environmentSetupDuration + prepareDuration + setupDuration + collectDuration + duration) / 1_000
}
