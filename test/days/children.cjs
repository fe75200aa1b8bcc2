// Loaded by every Node process of a run under another clock: hands that clock on to its children. The gateway gives PostgreSQL, and the
// tests give gateways, only the few variables that they need.
const { ChildProcess } = require('node:child_process')
const { basename } = require('node:path')

const CLOCK = ['LD_PRELOAD', 'FAKETIME', 'FAKETIME_DONT_FAKE_MONOTONIC', 'NODE_OPTIONS', 'TZ']

const { spawn } = ChildProcess.prototype
ChildProcess.prototype.spawn = function spawnUnderClock(options) {
  // FAKETIME_SHARED names memory of this process, which a child of another account may not open. The allocator of Redis asks for
  // the time before libfaketime is ready, and hangs; Redis needs no calendar.
  const isLeftOut = basename(options.file) === 'redis-server' ? /^(FAKETIME_SHARED|LD_PRELOAD)=/ : /^FAKETIME_SHARED=/
  const given = (options.envPairs ?? []).filter(pair => !isLeftOut.test(pair))
  const missing = CLOCK.filter(
    name => process.env[name] && !isLeftOut.test(`${name}=`) && !given.some(pair => pair.startsWith(`${name}=`)),
  )
  return spawn.call(this, { ...options, envPairs: [...given, ...missing.map(name => `${name}=${process.env[name]}`)] })
}
