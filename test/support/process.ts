import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process runs; a zombie does not count. */
export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return false
  }
}

/** Sends the signal and waits until the process is gone. */
export async function endProcess(pid: number | undefined, signal: NodeJS.Signals): Promise<void> {
  if (pid === undefined || !lives(pid)) return
  process.kill(pid, signal)
  await until(() => !lives(pid))
}

/** Polls until the condition holds, where no event announces it. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('did not happen in time')
    await sleep(10)
  }
}

/** The value; throws if it is missing. */
export function present<T>(value: T | null | undefined, what = 'value'): T {
  if (value === null || value === undefined) throw new Error(`no ${what}`)
  return value
}
