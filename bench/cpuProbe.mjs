import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Loaded into each program by --import: answers over the IPC channel how much CPU and memory its process uses.
process.on('message', message => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
  if (message === 'memory') process.send?.({ memory: memoryInUse() })
})
// No program outlives a bench that was killed.
process.on('disconnect', () => process.exit(1))

function memoryInUse() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  // Twice: what the first finds dead may have kept other things alive.
  collect()
  collect()
  return process.memoryUsage()
}
