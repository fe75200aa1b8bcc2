import { fileURLToPath } from 'node:url'
import { SHARE_ENV, Worker } from 'node:worker_threads'
import { inTime } from '../../concurrency/inTime.js'
import { AppError } from '../../errors.js'
import type { PackedRows } from './packedRows.js'
import type { ThreadAnswer, ThreadGraph, ThreadRequest } from './threadMessages.js'

// That of the build, so that it is found from the source too, as Vitest runs it.
const PROGRAM = fileURLToPath(new URL('../../../dist/scoring/worker/scoringThread.js', import.meta.url))
const LONGEST_LOAD_MS = 60_000
const LONGEST_END_MS = 5_000

interface Asked {
  readonly resolve: (answers: Float64Array) => void
  readonly reject: (error: Error) => void
}

/** One life of a thread: it loads one graph, runs rows, and ends. */
export class ThreadLife {
  static readonly #alive = new Set<ThreadLife>()
  readonly #worker: Worker
  readonly #asked = new Map<number, Asked>()
  readonly #longestRunMs: number
  #nextId = 0
  #why = 'it ended'
  #isLost = false
  /** Resolves with the reason once the thread has ended. A thread that hangs in a run never ends. */
  readonly ended: Promise<string>

  constructor(longestRunMs: number) {
    this.#longestRunMs = longestRunMs
    // The flags of the process are not for it: some of them would load a second debugger or profiler. It has no heap limit of its
    // own: where one large allocation passes such a limit, V8 ends the whole process, and not only the thread.
    this.#worker = new Worker(PROGRAM, { execArgv: [], env: SHARE_ENV })
    ThreadLife.#alive.add(this)
    this.#worker.on('message', (answer: ThreadAnswer) => this.#settle(answer))
    // Without its message, which may hold values.
    this.#worker.on('error', ({ name, code }: NodeJS.ErrnoException) => {
      this.#why = code ?? name
    })
    this.ended = new Promise(resolve => {
      this.#worker.once('exit', () => {
        ThreadLife.#alive.delete(this)
        this.#failAll()
        resolve(this.#why)
      })
    })
  }

  /** Whether a graph runs in some thread just now: `process.exit` would wait until it returns, which it may never do. */
  static get isAnyBusy(): boolean {
    return [...ThreadLife.#alive].some(thread => thread.#asked.size > 0 || thread.#isLost)
  }

  /** Whether it takes no more runs, as it has ended or hangs. */
  get isLost(): boolean {
    return this.#isLost
  }

  /** @throws Error with the sentence of ONNX Runtime where the graph cannot be loaded */
  async load(graph: ThreadGraph): Promise<void> {
    // The thread gets a copy of its own: this one is needed again when the thread has to be replaced.
    const bytes = graph.bytes.slice()
    await this.#ask({ kind: 'load', id: this.#nextId++, graph: { ...graph, bytes } }, bytes.buffer, LONGEST_LOAD_MS)
  }

  /** What the graph answers for each row. @throws AppError SERVICE_UNAVAILABLE when the thread ends, Error when the graph fails */
  run(rows: PackedRows): Promise<Float64Array> {
    return this.#ask({ kind: 'run', id: this.#nextId++, rows }, rows.cells.buffer, this.#longestRunMs)
  }

  /** Ends the thread after what it has been asked. Does not wait for one that hangs in a run. */
  async end(): Promise<void> {
    if (this.#isLost) return
    this.#worker.postMessage({ kind: 'end' } satisfies ThreadRequest)
    await inTime(this.ended, LONGEST_END_MS, threadLost).catch(() => this.#giveUp())
  }

  #ask(request: ThreadRequest & { readonly id: number }, moved: ArrayBuffer, longestMs: number): Promise<Float64Array> {
    return new Promise((resolve, reject) => {
      if (this.#isLost) return reject(threadLost())
      const timer = setTimeout(() => this.#giveUp(), longestMs)
      const end = () => clearTimeout(timer)
      this.#asked.set(request.id, {
        resolve: answers => {
          end()
          resolve(answers)
        },
        reject: error => {
          end()
          reject(error)
        },
      })
      this.#worker.postMessage(request, [moved])
    })
  }

  #settle(answer: ThreadAnswer): void {
    const asked = this.#asked.get(answer.id)
    this.#asked.delete(answer.id)
    if ('answers' in answer) asked?.resolve(answer.answers)
    else asked?.reject(Object.assign(new Error(answer.error.message), { name: answer.error.name }))
  }

  /** A thread that hangs in the runtime ends only when the runtime returns, and the process not before; its rows do not wait for it. */
  #giveUp(): void {
    this.#why = 'a run took too long'
    this.#failAll()
    void this.#worker.terminate()
  }

  #failAll(): void {
    this.#isLost = true
    for (const { reject } of this.#asked.values()) reject(threadLost())
    this.#asked.clear()
  }
}

export function threadLost(): AppError {
  return new AppError('SERVICE_UNAVAILABLE', 'The worker of this model has ended and is started again. Try again shortly.')
}
