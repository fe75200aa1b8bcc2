import { writeFileSync } from 'node:fs'
import process from 'node:process'
import { saidBy } from '../../scoring/onnx/runtimeSentence.js'
import type { VersionToCheck } from './admission.js'
import { checkVersion } from './checkVersion.js'
import { rejectedReport } from './rejectedReport.js'

// The program of the process that checks versions, one after another. It holds no secrets: a graph may break the runtime.

const [, , cpuSeconds = '60'] = process.argv

try {
  // Where memory runs out, the kernel ends this process, not the gateway.
  writeFileSync('/proc/self/oom_score_adj', '1000')
} catch {}

// Nobody waits for an answer any more.
process.on('disconnect', () => process.exit())
process.on('message', async (version: VersionToCheck) => {
  const report = await checkVersion(version).catch(error =>
    rejectedReport(version, [`${version.name} cannot be checked: ${saidBy(error)}.`]),
  )
  process.send?.(report, () => {
    // The kernel counts the processor time of all versions together. One that comes late must not pay for those before.
    if (process.cpuUsage().user / 1e6 > Number(cpuSeconds)) process.disconnect()
  })
})
process.send?.('ready')
