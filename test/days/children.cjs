// Loaded by every Node process of a run under another clock: hands that clock on to its children. The gateway gives PostgreSQL, and the
// tests give gateways, only the few variables that they need.
const { ChildProcess } = require('node:child_process')

const CLOCK = ['LD_PRELOAD', 'FAKETIME', 'FAKETIME_DONT_FAKE_MONOTONIC', 'NODE_OPTIONS', 'TZ']

const { spawn } = ChildProcess.prototype
ChildProcess.prototype.spawn = function spawnUnderClock(options) {
  // FAKETIME_SHARED names memory of this process, which a child of another account may not open.
  const given = (options.envPairs ?? []).filter(pair => !pair.startsWith('FAKETIME_SHARED='))
  const missing = CLOCK.filter(name => process.env[name] && !given.some(pair => pair.startsWith(`${name}=`)))
  return spawn.call(this, { ...options, envPairs: [...given, ...missing.map(name => `${name}=${process.env[name]}`)] })
}
