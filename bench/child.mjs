import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const CPU_PROBE = new URL('cpuProbe.mjs', import.meta.url).href
const STOP_TIMEOUT_MS = 5_000

/** Runs one of our programs in its own process. It talks to it over IPC, and writes its output to a file. */
export class Child {
  #process
  #logFile
  #ended = false

  /** @param {{ program: string, env?: Record<string, string>, nodeOptions?: string[], logFile: string }} options `program` relative to this folder */
  constructor({ program, env = {}, nodeOptions = [], logFile }) {
    const log = openSync(logFile, 'a')
    this.#logFile = logFile
    this.#process = spawn(
      process.execPath,
      [...nodeOptions, '--import', CPU_PROBE, fileURLToPath(new URL(program, import.meta.url))],
      {
        env: { ...process.env, ...env },
        stdio: ['ignore', log, log, 'ipc'],
      },
    )
    this.#process.once('exit', () => {
      this.#ended = true
    })
  }

  /** The next message; rejects if the process ends instead. */
  async message() {
    const ending = new AbortController()
    try {
      const [message] = await Promise.race([
        once(this.#process, 'message', ending),
        once(this.#process, 'exit', ending).then(([code, signal]) => {
          throw new Error(`a measured process ended with ${code ?? signal}: see ${this.#logFile}`)
        }),
      ])
      return message
    } finally {
      ending.abort()
    }
  }

  async ask(question) {
    if (!this.#process.connected) throw new Error(`a measured process has ended: see ${this.#logFile}`)
    this.#process.send(question)
    return this.message()
  }

  /** User and system CPU of the process so far, in microseconds. */
  async cpuMicroseconds() {
    const { cpu } = await this.ask('cpu')
    return cpu.user + cpu.system
  }

  /** Memory of the process after a garbage collection, in bytes. */
  async memory() {
    const { memory } = await this.ask('memory')
    return { resident: memory.rss, heap: memory.heapUsed + memory.external }
  }

  async stop() {
    if (this.#ended) return
    const exit = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    const kill = setTimeout(() => this.#process.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await exit
    clearTimeout(kill)
  }
}
