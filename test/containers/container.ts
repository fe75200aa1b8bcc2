import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { GraphqlClient } from '../support/client.js'
import { type Caller, signToken } from '../support/gateway.js'
import { until } from '../support/process.js'
import { freePort } from '../support/redis.js'
import { podmanOptions } from './imageStore.mjs'

export const IMAGE = process.env.TEST_IMAGE ?? ''
const STORE = process.env.TEST_IMAGE_STORE ?? ''

// A user without a name in the image, in the group of root, as OpenShift chooses it.
const USER = '1000650000:0'
// The container must not ask for higher limits than this machine may give.
const LIMITS = ['--ulimit', 'nofile=4096:4096', '--ulimit', 'nproc=4096:4096']
const HARDENED = ['--read-only', '--read-only-tmpfs=false', '--cap-drop=all', '--security-opt=no-new-privileges']
const RESOURCES = ['--memory=512m', '--cpus=1', '--pids-limit=100']

// A gateway starts within seconds, but other tests may keep this machine busy.
const START_MS = 60_000

const run = promisify(execFile)

export interface Options {
  readonly environment?: Readonly<Record<string, string>>
  /** Files of this machine that the container may read, by their path inside. */
  readonly files?: Readonly<Record<string, string>>
}

export interface Container extends AsyncDisposable {
  readonly url: string
  /** Resolves with its exit code when it has ended. */
  readonly exited: Promise<number | null>
  output(): string
  as(caller: Caller): Promise<GraphqlClient>
  /** Waits until its log has a line with this text. */
  logged(text: string): Promise<void>
  /** Runs a command inside. */
  exec(command: readonly string[]): Promise<{ status: number; stdout: string; stderr: string }>
  /** Sends the stop signal of the image, and would kill it after 30 seconds. */
  stop(): Promise<number | null>
}

/** Runs podman to its end. */
export function podman(...arguments_: string[]): Promise<{ stdout: string; stderr: string }> {
  return run('podman', [...podmanOptions(STORE), ...arguments_], { maxBuffer: 64 * 1024 * 1024 })
}

/** Runs the gateway of the image: read-only, without rights, as a user that does not exist there. */
export async function startContainer({ environment = {}, files = {} }: Options): Promise<Container> {
  const name = `riskgate-${process.pid}-${Math.random().toString(36).slice(2)}`
  const port = await freePort()
  const child = launch(['--name', name], { environment: { RISKGATE_PORT: String(port), ...environment }, files }, [])
  const { output, exited } = observe(child)
  const url = `http://127.0.0.1:${port}`
  return {
    url,
    exited,
    output,
    as: async caller => new GraphqlClient(url, await signToken(caller)),
    logged: text => until(() => output().includes(text), START_MS),
    async exec(command) {
      const done = await podman('exec', name, ...command).then(
        result => ({ code: 0, ...result }),
        (error: { code: number; stdout: string; stderr: string }) => error,
      )
      return { status: done.code, stdout: done.stdout, stderr: done.stderr }
    },
    async stop() {
      await podman('stop', '--time', '30', name).catch(() => {})
      return exited
    },
    async [Symbol.asyncDispose]() {
      await podman('rm', '--force', '--time', '0', '--ignore', name)
      await exited
    },
  }
}

/** Runs a command of the image to its end. */
export async function runImage(
  command: readonly string[],
  options: Options = {},
): Promise<{ status: number | null; output: string }> {
  const { output, exited } = observe(launch([], options, command))
  return { status: await exited, output: output() }
}

function launch(own: readonly string[], { environment = {}, files = {} }: Options, command: readonly string[]): ChildProcess {
  const settings = Object.entries(environment).flatMap(([key, value]) => ['--env', `${key}=${value}`])
  const mounts = Object.entries(files).flatMap(([inside, file]) => ['--volume', `${file}:${inside}:ro`])
  const basic = ['run', '--rm', '--pull=never', '--network=host', '--no-healthcheck', '--log-driver=none', `--user=${USER}`]
  const options = [...podmanOptions(STORE), ...basic, ...LIMITS, ...HARDENED, ...RESOURCES, ...own, ...settings, ...mounts]
  return spawn('podman', [...options, IMAGE, ...command], { stdio: ['ignore', 'pipe', 'pipe'] })
}

function observe(child: ChildProcess): { output: () => string; exited: Promise<number | null> } {
  let text = ''
  for (const stream of [child.stdout, child.stderr]) stream?.setEncoding('utf8').on('data', part => (text += part))
  return { output: () => text, exited: once(child, 'close').then(([code]) => code as number | null) }
}
