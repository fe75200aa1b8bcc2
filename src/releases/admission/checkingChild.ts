import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { constrainedMemory, execPath } from 'node:process'
import { fileURLToPath } from 'node:url'

/** What one check may use. */
export interface AdmissionLimits {
  readonly seconds: number
  readonly memoryMib: number
}

// Also where this file runs without a build, as in tests.
const PROGRAM = fileURLToPath(new URL('../../../dist/releases/admission/checkVersions.js', import.meta.url))
// An endless graph would not let it notice that its gateway was killed. Where there is no setpriv, its processor time ends it.
const DIES_WITH_PARENT = 'setpriv --pdeathsig KILL'
const READY_MS = 60_000
const LOOK_MS = 50
const PAGE_BYTES = 4_096

/**
 * Starts the process of the checks and waits until it is ready. The kernel holds its memory below the limit, and ends it where it goes
 * on computing after its gateway was killed. Without a shell, as in the image, its memory is watched instead.
 * @throws Error where it cannot be started
 */
export async function startChild({ seconds, memoryMib }: AdmissionLimits, shell = '/bin/sh'): Promise<ChildProcess> {
  if (!existsSync(PROGRAM)) throw new Error('model versions cannot be checked: riskgate is not built (npm run build)')
  const program = [execPath, PROGRAM, String(seconds)]
  const hasShell = existsSync(shell)
  const limits = `ulimit -c 0; ulimit -t ${3 * seconds}; ulimit -d ${memoryMib * 1024}`
  const script = `${limits}; ${DIES_WITH_PARENT} true && exec ${DIES_WITH_PARENT} "$0" "$@"; exec "$0" "$@"`
  const [command = '', ...rest] = hasShell ? [shell, '-c', script, ...program] : program
  const child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], env: {} })
  // Those who wait for it are told by its end.
  child.on('error', () => {})
  try {
    await firstMessage(child)
  } catch (error) {
    child.kill('SIGKILL')
    throw new Error(`model versions cannot be checked: the process of the checks does not start (${(error as Error).message})`)
  }
  if (!hasShell) watchMemory(child, memoryMib * 2 ** 20)
  return child
}

/** No more than half of what a container may have: its kernel could otherwise end the gateway. */
export function within({ seconds, memoryMib }: AdmissionLimits): AdmissionLimits {
  const half = Math.floor(constrainedMemory() / 2 / 2 ** 20)
  return { seconds, memoryMib: half > 0 ? Math.min(memoryMib, half) : memoryMib }
}

/** Ends a process for certain, and waits until it is gone. */
export async function endChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGKILL')
  await gone
}

async function firstMessage(child: ChildProcess): Promise<void> {
  const waiting = new AbortController()
  const signal = AbortSignal.any([waiting.signal, AbortSignal.timeout(READY_MS)])
  try {
    await Promise.race([
      once(child, 'message', { signal }),
      once(child, 'exit', { signal }).then(([code, signal]) => {
        throw new Error(`it ended with ${signal ?? code}`)
      }),
    ])
  } finally {
    waiting.abort()
  }
}

/** Ends the process when it holds more memory than it may. */
function watchMemory(child: ChildProcess, mostBytes: number): void {
  const timer = setInterval(async () => {
    const statm = await readFile(`/proc/${child.pid}/statm`, 'utf8').catch(() => '')
    if (Number(statm.split(' ')[1] ?? 0) * PAGE_BYTES > mostBytes) child.kill('SIGKILL')
  }, LOOK_MS)
  timer.unref()
  child.once('exit', () => clearInterval(timer))
}
