import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

// Loaded into each program with --import. Reports over IPC how much CPU and memory the process uses.
process.on('message', message => {
  if (message === 'cpu') process.send?.({ cpu: process.cpuUsage() })
  // The kernel counts it in KiB.
  if (message === 'peak') process.send?.({ peak: process.resourceUsage().maxRSS * 1_024 })
  if (message === 'memory') process.send?.({ memory: memoryInUse() })
})
// So that no program outlives a killed bench.
process.on('disconnect', () => process.exit(1))

function memoryInUse() {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc')
  // Collects twice, because objects that the first collection frees may have kept others alive.
  collect()
  collect()
  return process.memoryUsage()
}
