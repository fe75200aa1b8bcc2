import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'

/** Path of redis-server; the test command finds or installs it. */
export const REDIS_SERVER = process.env.TEST_REDIS_SERVER

// A replica would write what its master sends into the folder of the tests.
const NOTHING_KEPT = ['--save', '', '--appendonly', 'no', '--dir', tmpdir(), '--rdb-del-sync-files', 'yes']

export interface TestRedis extends AsyncDisposable {
  readonly url: string
  readonly pid: number
  /** Kills the server at once, as a crash would. */
  kill(): Promise<void>
}

/** Starts a real Redis without persistence, on a free port unless one is given; with a file of Sentinel, a Sentinel. */
export async function startRedis(port?: number, more: readonly string[] = [], sentinel?: string): Promise<TestRedis> {
  if (!REDIS_SERVER) throw new Error('Run the tests by `npm test`, which finds redis-server.')
  const chosen = port ?? (await freePort())
  const place = ['--port', String(chosen), '--bind', '127.0.0.1']
  const options = sentinel ? [sentinel, '--sentinel', ...place] : [...place, ...NOTHING_KEPT, ...more]
  const child = spawn(REDIS_SERVER, options)
  const exited = once(child, 'exit')
  await new Promise<void>((resolve, reject) => {
    let printed = ''
    child.stdout.on('data', (text: Buffer) => {
      printed += text
      if (/Ready to accept connections|\+monitor master/.test(printed)) resolve()
    })
    exited.then(() => reject(new Error(`redis-server did not start: ${printed}`)))
  })
  const kill = async () => {
    child.kill('SIGKILL')
    await exited
  }
  return { url: `redis://127.0.0.1:${chosen}`, pid: child.pid ?? 0, kill, [Symbol.asyncDispose]: kill }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}
