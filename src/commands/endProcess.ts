import { ThreadLife } from '../scoring/worker/threadLife.js'

/**
 * Ends the process, also while a graph hangs in a thread: `process.exit` would wait for it, perhaps for ever. The process is killed
 * then, and the exit code is lost. The first process of a container cannot kill itself; the end of its grace period does.
 */
export function endProcess(code: number): never {
  if (ThreadLife.isAnyBusy) process.kill(process.pid, 'SIGKILL')
  process.exit(code)
}
