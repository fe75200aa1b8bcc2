import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { GraphqlClient } from './client.js'
import { type Caller, signToken, TEST_RELEASE_KEY, TEST_SECRET } from './gateway.js'

const ROOT = join(import.meta.dirname, '../..')
const MAIN = join(ROOT, 'dist/main.js')
const MODELS = join(ROOT, 'models')
const SERVES = { RISKGATE_PORT: '0', RISKGATE_MODELS_DIR: MODELS, RISKGATE_RELEASE_KEY: TEST_RELEASE_KEY }

export interface Exit {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

export interface GatewayProcess extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Resolves with all its output when it has ended. */
  readonly exited: Promise<Exit>
  /** Whether it is still running. */
  readonly isRunning: boolean
  /** Its output so far, one entry for each JSON line. */
  log(): Record<string, unknown>[]
  as(caller: Caller): Promise<GraphqlClient>
  /** Sends SIGTERM, as an orchestrator does. */
  stop(): Promise<Exit>
  /** Stops to read its log, and keeps the pipe open. */
  stopReading(): void
  readAgain(): void
  /** Sends SIGKILL, so that it cannot shut down in order. */
  kill(): Promise<Exit>
}

type Environment = Record<string, string>

interface Started {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  readonly stdout: () => string
}

/** Starts `riskgate` as its users do, and waits until it serves. Needs `npm run build`. */
export async function spawnGateway(environment: Environment, { cwd }: { cwd?: string } = {}): Promise<GatewayProcess> {
  const settings = { ...SERVES, RISKGATE_DRAIN_MS: '0', ...environment }
  const started = launch([], settings, cwd)
  const { child, exited, stdout } = started
  const url = await waitForLine(started, 'riskgate serves').then(line => String(line['riskgate.url']))
  const end = (signal: NodeJS.Signals) => {
    child.kill(signal)
    return exited
  }
  return {
    url,
    pid: child.pid ?? 0,
    exited,
    get isRunning() {
      return child.exitCode === null && child.signalCode === null
    },
    log: () => parseLines(stdout()),
    as: async caller => new GraphqlClient(url, await signToken(caller)),
    stop: () => end('SIGTERM'),
    stopReading: () => child.stdout?.pause(),
    readAgain: () => child.stdout?.resume(),
    kill: () => end('SIGKILL'),
    async [Symbol.asyncDispose]() {
      await end('SIGKILL')
    },
  }
}

/** Starts a gateway process without waiting until it serves. */
export function launchGateway(environment: Environment) {
  const started = launch([], { ...SERVES, ...environment })
  return {
    exited: started.exited,
    stop: (signal: NodeJS.Signals = 'SIGTERM') => started.child.kill(signal),
    /** Waits for a line of its log. */
    logged: (message: string) => waitForLine(started, message),
    /** Its standard error, as it comes. */
    stderr: started.child.stderr,
    async [Symbol.asyncDispose]() {
      started.child.kill('SIGKILL')
      await started.exited
    },
  }
}

/** Starts a gateway process by npm, in a process group of its own, as a terminal does. Needs `npm run build`. */
export function launchByNpm(environment: Environment) {
  const env = environmentOf({ ...SERVES, ...environment })
  const child = spawn('npm', ['run', '-s', 'riskgate'], { env, cwd: ROOT, detached: true, stdio: ['ignore', 'pipe', 'pipe'] })
  const started = observe(child)
  const signalAll = (signal: NodeJS.Signals) => process.kill(-(child.pid ?? 0), signal)
  return {
    exited: started.exited,
    logged: (message: string) => waitForLine(started, message),
    /** Signals every process of the group, as the terminal does at Ctrl-C. */
    signalAll,
    async [Symbol.asyncDispose]() {
      if (child.exitCode === null && child.signalCode === null) signalAll('SIGKILL')
      await started.exited
    },
  }
}

/** Runs a command of `riskgate` to its end. */
export function runCommand(arguments_: string[], environment: Environment = {}, cwd?: string): Promise<Exit> {
  return launch(arguments_, { RISKGATE_MODELS_DIR: MODELS, ...environment }, cwd).exited
}

/** Starts a command of `riskgate`, which may be sent a signal. */
export function launchCommand(arguments_: string[], environment: Environment) {
  const { child, exited } = launch(arguments_, { RISKGATE_MODELS_DIR: MODELS, ...environment })
  return { exited, stop: (signal: NodeJS.Signals) => child.kill(signal) }
}

/** Runs a command whose standard output is closed by its reader, as `| head` does. */
export function runUnreadCommand(arguments_: string[]): Promise<Exit> {
  const { child, exited } = launch(arguments_, { RISKGATE_MODELS_DIR: MODELS })
  child.stdout?.destroy()
  return exited
}

/** Settings under which tokens of `signToken` are valid. */
export const TEST_KEY: Environment = { RISKGATE_JWT_SECRET: TEST_SECRET }

/** The dev.json that a gateway without configuration has written. */
export function readDevelopmentFile(stateDirectory: string): { url: string; tokens: Record<string, string> } {
  return JSON.parse(readFileSync(join(stateDirectory, 'dev.json'), 'utf8')) as { url: string; tokens: Record<string, string> }
}

function launch(arguments_: string[], environment: Environment, cwd?: string): Started {
  // The process must not touch the .riskgate/ of the developer who runs the tests.
  const ownFolder = cwd === undefined ? mkdtempSync(join(tmpdir(), 'riskgate-cwd-')) : undefined
  const env = environmentOf(environment)
  const started = observe(
    spawn(process.execPath, [MAIN, ...arguments_], { env, cwd: cwd ?? ownFolder, stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  const exited = started.exited.finally(() => ownFolder && rmSync(ownFolder, { recursive: true, force: true }))
  return { ...started, exited }
}

/** The process must not see the environment of the tests. */
function environmentOf(environment: Environment): Environment {
  return { PATH: process.env.PATH ?? '', HOME: process.env.HOME ?? '', ...environment }
}

function observe(child: ChildProcessByStdio<null, Readable, Readable>): Started {
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const exited = once(child, 'close').then(([status, signal]) => ({ status, signal, stdout, stderr }))
  return { child, exited, stdout: () => stdout }
}

async function waitForLine({ child, exited, stdout }: Started, message: string): Promise<Record<string, unknown>> {
  const found = () => parseLines(stdout()).find(line => line.message === message)
  const ended = exited.then(({ status, stderr }) => {
    throw new Error(`The gateway ended with ${status} before "${message}": ${stderr}`)
  })
  const printed = new Promise<Record<string, unknown>>(resolve => {
    const look = () => {
      const line = found()
      if (!line) return
      child.stdout?.off('data', look)
      resolve(line)
    }
    child.stdout?.on('data', look)
    look()
  })
  return Promise.race([printed, ended])
}

function parseLines(text: string): Record<string, unknown>[] {
  // The last piece may be an incomplete line.
  const lines = text.split('\n').slice(0, -1)
  return lines.filter(line => line.startsWith('{')).map(line => JSON.parse(line) as Record<string, unknown>)
}
