// Runs what a container of the chart runs, as a process of this machine.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'

const SERVES = 'riskgate serves'

/** Starts riskgate with this environment and nothing else. */
export function startRiskgate(arguments_, env) {
  const child = spawn(process.execPath, ['dist/main.js', ...arguments_], { env })
  const lines = []
  const readers = [child.stdout, child.stderr].map(stream => createInterface({ input: stream }))
  for (const reader of readers) reader.on('line', line => lines.push(line))
  const ended = once(child, 'close').then(([code]) => code)
  return {
    lines,
    ended,
    /** The fields of its log line with this message. @throws Error with its output when it ends before */
    async logged(message = SERVES) {
      const find = () => lines.find(line => line.includes(`"message":"${message}"`))
      const isOver = ended.then(() => true)
      while (!find()) {
        const line = Promise.race(readers.map(reader => once(reader, 'line')))
        if ((await Promise.race([line, isOver])) === true && !find()) throw new Error(lines.join('\n'))
      }
      return JSON.parse(find())
    },
    /** Sends SIGTERM. Answers the exit code. */
    stop() {
      child.kill('SIGTERM')
      return ended
    },
  }
}
