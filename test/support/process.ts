import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Whether a process runs; one that has ended and that nobody has reaped does not. */
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

/** Waits for what no event tells. */
export async function until(condition: () => boolean | Promise<boolean>, timeoutMs = 10_000): Promise<void> {
  const deadline = performance.now() + timeoutMs
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('did not happen in time')
    await sleep(10)
  }
}

/** The value, which must be there. */
export function present<T>(value: T | null | undefined, what = 'value'): T {
  if (value === null || value === undefined) throw new Error(`no ${what}`)
  return value
}
